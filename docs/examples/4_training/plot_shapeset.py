"""
Figure 1: the pictures
======================

Shapeset-3x2 draws one or two of three shapes, of any size, place and brightness, without end: the class says
which. Image i of a seed is a function of (seed, i) alone, so that a stream can be read anywhere.
"""

import glorotlab as gl

figure = gl.plot(gl.load_dataset("shapeset", seed=3))
