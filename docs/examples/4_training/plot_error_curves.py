"""
Error curves of four networks
=============================

Small networks of four hidden layers on Shapeset-3x2, each with the standard and with the normalized (N)
initialization. The paper's figure 11 is this picture at a thousand units and five million updates.
"""

import glorotlab as gl

TRAINING = gl.TrainingSpec(updates=4000, batch_size=10, learning_rate=0.1, validation_every=1000)

runs = [
    gl.train(
        gl.RunSpec(
            network=gl.NetworkSpec.parse("1024,60x4,9", activation=activation, initializer=initializer),
            training=TRAINING,
            data="shapeset",
        )
    )
    for activation in ("tanh", "softsign")
    for initializer in ("standard", "glorot_uniform")
]
figure = gl.plot(*runs)
