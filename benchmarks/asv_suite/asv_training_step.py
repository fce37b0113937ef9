"""The cases of ``glorotlab bench`` over the history of the repository, and the roofline they are seen against."""

from glorotlab.benchmarking.cases import Case, cases_of
from glorotlab.benchmarking.cpus import cpus, limited_cpus
from glorotlab.benchmarking.roofline import measure_roofline
from glorotlab.benchmarking.step import LEARNING_RATE, batch_of, limited
from glorotlab.network.mlp import Network

CASES = {str(case): case for case in cases_of()}
THREADS = sorted({1, cpus()})


class TrainingStep:
    """One step of glorotlab's network."""

    params = (list(CASES), THREADS)
    param_names = ("case", "threads")

    def setup(self, case: str, threads: int) -> None:
        self.limits = limited(threads, ())
        self.limits.__enter__()
        found: Case = CASES[case]
        self.network = Network(found.spec, dtype=found.dtype)
        self.batch = batch_of(found.spec, found.batch, found.dtype)

    def teardown(self, case: str, threads: int) -> None:
        self.limits.__exit__(None, None, None)

    def time_step(self, case: str, threads: int) -> None:
        self.network.train_step(*self.batch, LEARNING_RATE)


class Roofline:
    """The machine itself: a change here is none of the code's."""

    params = (("float32", "float64"), THREADS)
    param_names = ("dtype", "threads")
    unit = "flop/s"

    def track_peak(self, dtype: str, threads: int) -> float:
        with limited_cpus(threads):
            return measure_roofline(threads, dtype, sizes=(1 << 14,)).flops
