"""
A diagnosis of your own PyTorch network
=======================================

Ten layers of ReLU with the weights that ``nn.Linear`` gives them, and a loss that does not move. Theory says what every
module should give on a batch; hooks measure what it gives. Where the two agree, the code does what was meant, and what
is wrong is the initialization.
"""

import torch
from torch import nn

import glorotlab as gl

torch.manual_seed(0)
hidden = [part for _ in range(8) for part in (nn.Linear(200, 200), nn.ReLU())]
model = nn.Sequential(nn.Linear(1024, 200), nn.ReLU(), *hidden, nn.Linear(200, 9))
x, y = gl.shapeset(60, seed=0)

# %%
# Lines with bands are predicted, points are this network. Every module is as expected, and the second moment of the
# gradient loses eight orders of magnitude on its way to the first one.

before = gl.plot(gl.torch.predict(model, x, y, level=0.95), gl.torch.measure(model, x, y))

# %%
# Why it shrinks is a question to the weights, and which initializer would keep it one to theory.

audit = gl.torch.audit(model)
print(audit.notices[0][1].text)
advice = gl.torch.advise(model, x, y)
print(advice.to_markdown())

# %%
# The recommended line changes the weights in place. Signal and gradient now keep their size over the depth. Points of
# one network stray from their lines together, since each layer multiplies what the one before it left.

gl.torch.initialize_(model, advice.recommended, seed=0)
after = gl.plot(gl.torch.predict(model, x, y, level=0.95), gl.torch.measure(model, x, y))
