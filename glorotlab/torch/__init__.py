"""Theory of initialization for a PyTorch model of your own; PyTorch is imported when a function needs it.

Names are imported when they are first used; ``__init__.pyi`` lists where each comes from.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
