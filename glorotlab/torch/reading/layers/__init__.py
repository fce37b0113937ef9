"""Readers of PyTorch's layers, one file for each kind, with the same name as in ``glorotlab.spec.layers``.

``MODULES`` has the classes of ``torch.nn`` by name, ``FUNCTIONS`` the functions of ``torch``, ``torch.nn.functional``
and ``operator`` and the methods of tensors; each with the reader that takes a call and returns its layer.
"""
