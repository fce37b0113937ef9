"""
Which initializer, and will it train?
=====================================

``gl.advise`` looks at a network before any training: what each initializer does to signal and gradient over the
depth, the probability that the network trains, and which one to take.
"""

import glorotlab as gl

spec = gl.NetworkSpec.parse("784,500x10,10", activation="gelu")
advice = gl.advise(spec, input_second_moment=0.1)
figure = gl.plot(advice)

# %%

print(advice.recommendation.initializer, advice.recommendation.bias)
print(advice.recommendation.torch)
