"""Symbolic derivations of Glorot & Bengio (2010) as objects whose every step SymPy can check.

``derive()`` lists their names; ``derive(name)`` returns one. See ``docs/derivations.md``. Names are imported when they
are first used; ``__init__.pyi`` lists where each comes from.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
