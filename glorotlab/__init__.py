"""glorotlab: variance theory, Cython kernels and experiments about why deep networks are hard to train.

Names are imported when they are first used; ``__init__.pyi`` lists where each comes from.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
