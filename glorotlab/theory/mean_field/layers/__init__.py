"""Mean-field theory of each layer kind, one file a kind, of the names that ``glorotlab.spec.layers`` has.

Each has ``needs``, which displacements of positions its input must carry, ``forward`` and ``backward``.
"""
