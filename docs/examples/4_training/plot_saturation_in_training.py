"""
Figure 3: saturation while a network trains
===========================================

Monitors take the statistics of every layer on a fixed set of examples while a network trains, and never change
its training. Points are 98th percentiles of the activations, lines standard deviations; crosses before the
first update are predicted.
"""

import glorotlab as gl

spec = gl.RunSpec(
    network=gl.NetworkSpec.parse("1024,60x4,9", activation="tanh", initializer="standard"),
    training=gl.TrainingSpec(updates=6000, batch_size=10, learning_rate=0.1, monitor_every=600),
    data="shapeset",
)
run = gl.train(spec)
x, y = gl.shapeset(300, seed=0)
figure = gl.plot(gl.predict(spec.network, inputs=x, labels=y), run.statistics)
