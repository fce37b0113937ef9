"""
Where signals settle
====================

A wide layer turns the second moment q of its pre-activations into :math:`V(q)`, and q moves until :math:`V(q) =
q`. GELU has two fixed points for some weights: signals below the upper one fall to the lower one, signals above
it grow without end.
"""

import glorotlab as gl

fixed = gl.fixed_points("gelu", weight_variance=2.05, bias_variance=0.1)
figure = gl.plot(fixed)

# %%

for point in fixed.points:
    print(f"q = {point.q:.5g}: {point.stability}, chi_1 = {point.chi_1:.4f}, {point.phase}")
