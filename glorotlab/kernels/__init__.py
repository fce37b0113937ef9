"""Cython kernels over typed memoryviews; each module's Python face is described by the .pyi beside it."""
