"""The kernels below a training step, over the history of the repository: forward, activations, Shapeset images."""

import numpy as np

from glorotlab.benchmarking.cases import PAPER, Case
from glorotlab.benchmarking.step import batch_of, limited
from glorotlab.kernels import shapeset
from glorotlab.kernels.network import elementwise
from glorotlab.network.mlp import DTYPES, Network
from glorotlab.streams import Purpose

LAYERS = (PAPER, "784,30,30,10")
VALUES = 100_000
IMAGES = 1000


class OneThread:
    """Everything here is timed on one thread."""

    def setup(self, *parameters: object) -> None:
        self.limits = limited(1, ())
        self.limits.__enter__()
        self.prepare(*parameters)

    def teardown(self, *parameters: object) -> None:
        self.limits.__exit__(None, None, None)

    def prepare(self) -> None:
        """Make what is timed."""


class Forward(OneThread):
    """A batch forward: one of training, and the 300 examples of a monitor."""

    params = (LAYERS, (10, 300))
    param_names = ("layers", "batch")

    def prepare(self, layers: str, batch: int) -> None:
        case = Case(layers, batch)
        self.network = Network(case.spec)
        self.x, _ = batch_of(case.spec, batch, case.dtype)

    def time_forward(self, layers: str, batch: int) -> None:
        self.network.forward(self.x)


class Activations(OneThread):
    """An activation, and its derivative, of 100,000 values."""

    params = (sorted(elementwise.CODES), DTYPES)
    param_names = ("activation", "dtype")

    def prepare(self, name: str, dtype: str) -> None:
        self.s = np.random.default_rng(0).normal(size=(1, VALUES)).astype(dtype)
        self.z, self.d = np.empty_like(self.s), np.ones_like(self.s)
        self.code = elementwise.CODES[name]

    def time_function(self, name: str, dtype: str) -> None:
        elementwise.apply(self.code, self.s, self.z, 0.5)

    def time_derivative(self, name: str, dtype: str) -> None:
        elementwise.apply_derivative(self.code, self.s, self.z, self.d, 0.5)


class Shapeset(OneThread):
    """A thousand images."""

    def prepare(self) -> None:
        self.x, self.y = np.empty((IMAGES, 1024), np.float32), np.empty(IMAGES, np.int64)

    def time_render(self) -> None:
        shapeset.render(0, int(Purpose.SHAPESET_TRAIN), 0, self.x, self.y)
