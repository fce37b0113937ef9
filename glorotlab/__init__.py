"""glorotlab: variance theory, Cython kernels and experiments about why deep networks are hard to train."""
