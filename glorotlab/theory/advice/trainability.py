"""Will it train: six numbers of a network at initialisation, each with the range in which networks were seen to train.

Derived, in the limit of wide layers, for the examples given:

- ``signal_ratio`` and ``gradient_ratio``: E z^2 of the last hidden layer over that of the first, and E (dC/ds)^2 of the
  first over that of the last (``mean_field.forward``);
- ``condition``: of what order the updates at the fastest stable learning rate are that tell the classes apart, and
  ``coherence``: how much an update on one example says about others (``tangent_kernel``);
- ``logit_second_moment``: of the outputs before their activation. Large ones are confidently wrong;
- ``fluctuation``: the relative variance between networks of one example's signal, to first order in 1 / width
  (``mean_field.validity``).

Not derived: that each has a bound beyond which a network does not train. The bounds below are rules, chosen on one set
of short runs (plain gradient descent, 2,000 updates, batch 10, best of several learning rates) and judged on another by
``benchmarks/accuracy/advice.py``. Between runs that trained and that failed lie powers of
ten; each bound is near the geometric middle. More updates, other optimisers and layers that normalise move them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from glorotlab import notebook
from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.spec.network import Layers, NetworkSpec, network_spec
from glorotlab.theory.mean_field import tangent_kernel, validity
from glorotlab.theory.mean_field.forward import forward
from glorotlab.theory.mean_field.inputs import Batch, labelled_batch
from glorotlab.theory.mean_field.kernels import SignalKernels, diagonal
from glorotlab.threads import single_threaded_blas

MIN_RATIO = 3.5e-5
"""Signal and gradient ratios trained down to 5e-5; signals failed from 3e-5 on, gradients from 2e-5 on."""

MAX_GRADIENT, MAX_LOGITS = 6e3, 1e4
"""Networks trained up to a gradient ratio of 500 and logits of second moment 3e3.

They failed from 7e4 (chaos) and 6e4 (ReLU) on."""

MIN_COHERENCE = 5e-6
"""Coherence: networks trained down to 2e-4 and failed at 1e-7."""

MAX_CONDITION = 1e7
"""Condition number: networks trained up to 1.3e6 on MNIST and failed from 1.3e8 on; on Shapeset, which needs more
updates, they failed from 2e4 on."""

MAX_FLUCTUATION = 3.0
"""Fluctuation: networks trained up to 2 (40 layers of 100 ReLU) and failed at 5 (20 of 20)."""

MAX_HIDDEN = 1000
"""Most hidden layers that are followed."""

SLOW = 1e4
"""A network that trains is called slow where its condition is above this."""


@dataclass(frozen=True)
class Trainability:
    """What is expected of training, and why; the numbers are None where the theory refuses.

    Parameters
    ----------
    trains : bool
    reason : str
        A few words: of the first bound that is exceeded, or what decides the speed.
    signal_ratio, gradient_ratio : float or None
    condition, coherence : float or None
    learning_rate : float or None
        2 / lambda_1, times the number of classes where the output is softmax, whose curvature is 1 / classes at
        first: the order of the largest stable learning rate.
    logit_second_moment : float or None
    fluctuation : float or None
    """

    trains: bool
    reason: str
    signal_ratio: float | None = None
    gradient_ratio: float | None = None
    condition: float | None = None
    coherence: float | None = None
    learning_rate: float | None = None
    logit_second_moment: float | None = None
    fluctuation: float | None = None

    def _repr_html_(self) -> str:
        values = {name.replace("_", " "): value for name, value in vars(self).items()}
        return notebook.form(f"Should {'train' if self.trains else 'fail'}", notebook.fields(values))


@single_threaded_blas()
def trainability(
    spec: NetworkSpec | Layers,
    inputs: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    *,
    input_second_moment: float | None = None,
) -> Trainability:
    """Judge whether a network will train, before it is trained.

    Parameters
    ----------
    spec : NetworkSpec, str or sequence of int
        The network, or its layers as ``NetworkSpec.parse`` takes them.
        With one hidden layer at least.
    inputs : (examples, fan_in), optional
        Real data, with ``labels`` of two classes or more; about 100 examples tell enough.
    labels : (examples,) int, optional
    input_second_moment : float, optional
        E[x^2], instead of data; ``labelled_batch`` says what stands in for examples and labels.

    Returns
    -------
    Trainability

    Raises
    ------
    InvalidValueError, AssumptionError
        Where an argument is not allowed, or the moments of the activation cannot be given.
    """
    spec = network_spec(spec)
    check_hidden(spec)
    return judge(spec, labelled_batch(spec, inputs, labels, input_second_moment))


def check_hidden(spec: NetworkSpec) -> None:
    """Refuse networks without hidden layers, and those that would take minutes."""
    hidden = len(spec.layer_sizes) - 2
    if not 1 <= hidden <= MAX_HIDDEN:
        raise InvalidValueError(f"layers {spec.layers}: {hidden} hidden layers: allowed are 1 to {MAX_HIDDEN}")


def judge(spec: NetworkSpec, batch: Batch) -> Trainability:
    """Judge a network on a batch; as ``trainability``."""
    assert batch.targets is not None  # noqa: S101
    try:
        kernels = forward(spec, batch)
    except AssumptionError as error:
        return Trainability(False, str(error).partition(":")[0])
    with np.errstate(over="ignore", invalid="ignore"):
        theta = tangent_kernel.tangent_kernel(kernels)
        signal, gradient = ratios(kernels)
    if not np.isfinite(theta).all():
        return Trainability(False, "the tangent kernel overflows", signal, gradient)
    fastest, condition = tangent_kernel.condition(theta, batch.targets)
    passed = Trainability(
        True,
        "",
        signal,
        gradient,
        condition,
        tangent_kernel.coherence(theta),
        2 * (spec.classes if spec.output == "softmax" else 1) / fastest,
        float(kernels.q[-1].mean()),
        float(validity.relative_variances(kernels)[0].max()),
    )
    fault = _fault(passed)
    return replace(passed, trains=fault is None, reason=fault or _speed(condition))


def ratios(signal: SignalKernels) -> tuple[float, float]:
    """Return E z^2 of the last over the first hidden layer, and E (dC/ds)^2 of the first over the last.

    The gradient's is the product of n v E f'^2 between them: gradient independence, whatever the cost.
    """
    squares = diagonal(signal.activation).mean(axis=-1)
    gains = signal.backward_gain[1:-1, np.newaxis] * diagonal(signal.derivative)[:-1]
    return float(squares[-2] / squares[0]), float(gains.prod(axis=0).mean())


def _fault(numbers: Trainability) -> str | None:
    """Return the first bound that is exceeded, with its number."""
    bounds = (
        (numbers.signal_ratio, MIN_RATIO, np.inf, "signal vanishes"),
        (numbers.gradient_ratio, MIN_RATIO, np.inf, "gradient vanishes"),
        (numbers.gradient_ratio, 0.0, MAX_GRADIENT, "gradient explodes"),
        (numbers.logit_second_moment, 0.0, MAX_LOGITS, "outputs explode"),
        (numbers.coherence, MIN_COHERENCE, np.inf, "chaos: coherence"),
        (numbers.condition, 0.0, MAX_CONDITION, "classes alike: condition"),
        (numbers.fluctuation, 0.0, MAX_FLUCTUATION, "too narrow: fluctuation"),
    )
    for value, low, high, what in bounds:
        if value is not None and not low <= value <= high:
            return f"{what} {value:.1e}"
    return None


def _speed(condition: float) -> str:
    return f"{'slow: ' if condition > SLOW else ''}condition {condition:.2g}"
