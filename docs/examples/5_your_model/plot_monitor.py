"""
All layers of a training loop in one figure
===========================================

``with gl.torch.monitor(model) as log:`` around a loop of your own records every module at some updates, and changes no
bit of the training. Sigmoid layers begin what Glorot and Bengio saw in 2010: the last hidden layer moves towards 0,
where a sigmoid saturates, while the layers below it wait for a gradient.
"""

import torch
from torch import nn

import glorotlab as gl

torch.manual_seed(0)
hidden = [part for n, m in [(1024, 100), *[(100, 100)] * 3] for part in (nn.Linear(n, m), nn.Sigmoid())]
model = nn.Sequential(*hidden, nn.Linear(100, 9))
x, y = gl.shapeset(3000, seed=0)
images, labels = torch.as_tensor(x), torch.as_tensor(y)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

prediction = gl.torch.predict(model, x[:10], y[:10], level=0.95)
with gl.torch.monitor(model, every=10, prediction=prediction) as log:
    for batch in range(300):
        rows = slice(10 * batch, 10 * batch + 10)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images[rows]), labels[rows]).backward()
        optimizer.step()

# %%
# In each panel the profile on the left has the first record beside its prediction, module below module; to its right,
# colors show every later record.

figure = gl.plot(log)
