"""The cases of ``glorotlab bench`` over the history of the repository, and the roofline they are seen against."""

import numpy as np

from glorotlab.benchmarking.cases import Case, cases_of
from glorotlab.benchmarking.cpus import cpus, limited_cpus
from glorotlab.benchmarking.roofline import measure_roofline
from glorotlab.benchmarking.step import LEARNING_RATE, batch_of, limited
from glorotlab.network.mlp import Network

CASES = {str(case): case for case in cases_of() if not case.every_level}
THREADS = sorted({1, cpus()})
STEPS = 20


class Training:
    """Twenty steps of glorotlab's network in one call."""

    params = (list(CASES), THREADS)
    param_names = ("case", "threads")

    def setup(self, case: str, threads: int) -> None:
        self.limits = limited(threads, ())
        self.limits.__enter__()
        found: Case = CASES[case]
        self.network = Network(found.spec, dtype=found.dtype)
        self.batch = batch_of(found.spec, found.batch, found.dtype)
        self.order = np.tile(np.arange(found.batch), STEPS)

    def teardown(self, case: str, threads: int) -> None:
        self.limits.__exit__(None, None, None)

    def time_20_steps(self, case: str, threads: int) -> None:
        rows = {"batch_size": len(self.batch[0]), "order": self.order}
        self.network.train_steps(*self.batch, LEARNING_RATE, **rows)


class Roofline:
    """The machine itself: a change here is none of the code's."""

    params = (("float32", "float64"), THREADS)
    param_names = ("dtype", "threads")
    unit = "flop/s"

    def track_peak(self, dtype: str, threads: int) -> float:
        with limited_cpus(threads):
            return measure_roofline(threads, dtype, sizes=(1 << 14,)).flops
