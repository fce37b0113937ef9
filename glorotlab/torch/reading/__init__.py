"""How a PyTorch model becomes a LayerGraph.

``tracer`` records its calls, ``layers`` reads each kind of them, ``graph`` puts them together. Readers go by names, so
that all but ``tracer`` are imported without PyTorch.
"""
