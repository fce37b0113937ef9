"""
How much slower is the first layer?
===================================

The learning speed of a layer is the length of dC/db of the batch mean (Nielsen, chapter 5). With sigmoid units
and his default initialization it falls by a factor of about five a layer towards the input. The band is where
one network lies: a single measurement says little about the next.
"""

import glorotlab as gl

spec = gl.NetworkSpec.parse(
    "1024,30x4,9", activation="sigmoid", initializer="nielsen_default", output="sigmoid", cost="cross_entropy"
)
x, y = gl.shapeset(30, seed=0)
prediction = gl.predict(spec, inputs=x, labels=y, level=0.95)
measurement = gl.measure(spec, inputs=x, labels=y, seeds=40)
hidden = {"layer": slice(0, 4)}
figure = gl.plot(prediction.isel(hidden), measurement.isel(hidden), variable="learning_speed")
