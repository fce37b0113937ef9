"""
Prediction over measurement
===========================

The two tables have one schema, so comparing them is arithmetic: ``gl.compare`` has the ratio of each number,
its standard error and whether it agrees. The inputs are pictures of Shapeset-3x2, the paper's own data.
"""

import glorotlab as gl

spec = gl.NetworkSpec.parse("1024,300x5,9", activation="softsign", initializer="glorot_uniform")
x, y = gl.shapeset(100, seed=0)

prediction = gl.predict(spec, inputs=x, labels=y)
measurement = gl.measure(spec, inputs=x, labels=y, seeds=20)
comparison = gl.compare(prediction, measurement)

# %%
# Points are measured over predicted second moments: 1 where theory is right.

figure = gl.plot(comparison)

# %%
# The same as a table, three lines of it:

print("\n".join(comparison.to_markdown().splitlines()[:5]))
