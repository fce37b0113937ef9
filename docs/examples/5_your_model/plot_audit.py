"""
Which initializer drew these weights?
=====================================

A function of your own draws LeCun's weights with the fans the wrong way round: ``nn.Linear`` keeps (outputs, inputs),
a Keras layer (inputs, outputs). On square layers nobody sees it. The audit compares every weight with what some fifty
initializers would draw, and where none of them fits, with thirty mistakes.
"""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

import glorotlab as gl
from glorotlab.plotting.style import OKABE_ITO, finish, log_ticks


def lecun_(linear):
    fan_in, _ = linear.weight.shape  # the mistake
    nn.init.normal_(linear.weight, std=(1 / fan_in) ** 0.5)


torch.manual_seed(0)
sizes = (784, 500, 300, 300, 70, 10)
pairs = list(pairwise(sizes))
model = nn.Sequential(*[part for n, m in pairs for part in (nn.Linear(n, m), nn.Tanh())][:-1])
model.apply(lambda module: lecun_(module) if isinstance(module, nn.Linear) else None)

audit = gl.torch.audit(model)
for weight, finding in audit.faults:
    print(f"{weight}: {finding.name}: {finding.text}")

# %%
# Factors by which a weight multiplies the second moment of the signal, and of the gradient: 1 keeps it.

figure, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
place = np.arange(len(audit.entries))
ax.axhline(1, color="0.25", linewidth=1)
ax.plot(place, [entry.forward for entry in audit.entries], "o", color=OKABE_ITO[0], label="signal, forward")
ax.plot(place, [entry.backward for entry in audit.entries], "s", color=OKABE_ITO[1], label="gradient, back")
ax.set_xticks(place, [f"{entry.name}\n{entry.fan_in} to {entry.fan_out}" for entry in audit.entries])
log_ticks(ax)
finish(ax, "LeCun's initializer with transposed fans", "", "factor of the second moment (dimensionless)")
ax.legend()
