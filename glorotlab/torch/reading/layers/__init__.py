"""A file for each kind of layer, of the same name as in ``glorotlab.spec.layers``: what PyTorch calls it.

``MODULES`` has the classes of ``torch.nn`` by name, ``FUNCTIONS`` the functions of ``torch``, ``torch.nn.functional``
and ``operator`` and the methods of tensors; each with the reader that takes a call and returns its layer.
"""
