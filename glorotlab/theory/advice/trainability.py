"""Whether a network trains: a probability from its numbers at initialization, and bounds that give the reason.

The numbers are derived (``numbers``). The probability is fitted to networks that were trained (``calibration``).

The bounds are rules, chosen on one set of short runs (plain gradient descent, 2,000 updates, batch 10, best of several
learning rates) and judged on another by ``benchmarks/accuracy/advice.py``. Between runs that trained and that failed
lie powers of ten; each bound is near the geometric middle. They decide nothing any more: the first one that is exceeded
is the reason given where the probability is below one half, and a warning where it is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy.typing as npt

from glorotlab import notebook
from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.spec.network import Layers, NetworkSpec, network_spec
from glorotlab.theory.advice.calibration import MAX_OUTPUTS, REFUSED
from glorotlab.theory.advice.numbers import Numbers, numbers
from glorotlab.theory.advice.probability import Term, probability, recommended_rate, terms
from glorotlab.theory.mean_field.inputs import Batch, labelled_batch
from glorotlab.threads import single_threaded_blas

MIN_RATIO = 3.5e-5
"""Least signal and gradient ratio: they trained down to 5e-5, failed from 3e-5 (signal) and 2e-5 (gradient) on."""

MAX_GRADIENT, MAX_LOGITS = 6e3, 1e4
"""Largest gradient ratio and second moment of logits: networks trained up to 500 and 3e3.

They failed from 7e4 (chaos) and 6e4 (ReLU) on."""

MIN_COHERENCE = 5e-6
"""Least coherence: networks trained down to 2e-4 and failed at 1e-7."""

MAX_CONDITION = 1e7
"""Largest condition: networks trained up to 1.3e6 on MNIST and failed from 1.3e8 on; on Shapeset, which needs more
updates, they failed from 2e4 on."""

MAX_FLUCTUATION = 3.0
"""Largest fluctuation: networks trained up to 2 (40 layers of 100 ReLU) and failed at 5 (20 of 20)."""

BOUNDS = (
    ("signal_ratio", MIN_RATIO, math.inf, "signal vanishes"),
    ("gradient_ratio", MIN_RATIO, math.inf, "gradient vanishes"),
    ("gradient_ratio", 0.0, MAX_GRADIENT, "gradient explodes"),
    ("logit_second_moment", 0.0, MAX_LOGITS, "outputs explode"),
    ("coherence", MIN_COHERENCE, math.inf, "chaos: coherence"),
    ("condition", 0.0, MAX_CONDITION, "classes alike: condition"),
    ("fluctuation", 0.0, MAX_FLUCTUATION, "too narrow: fluctuation"),
)
"""Least and largest value of each number, and the fault beyond, in the order of the checks."""

MAX_HIDDEN = 1000
"""Largest number of hidden layers that is supported."""

SLOW = 1e4
"""Condition above which a network that trains is called slow."""

SHOWN = (
    *("signal_ratio", "gradient_ratio", "condition", "coherence", "learning_rate", "logit_second_moment"),
    "fluctuation",
)
"""Numbers shown by a verdict."""


@dataclass(frozen=True)
class Trainability:
    """What is expected of training, and why; the numbers are None where the theory refuses.

    Parameters
    ----------
    trains : bool
        Whether the probability is 1/2 or more.
    reason : str
        A few words: what decides the speed, and the first bound that is exceeded; of a network that should fail the
        bound alone, or what lowers the probability most.
    signal_ratio : float or None
        E z^2 of the last hidden layer over that of the first.
    gradient_ratio : float or None
        E (dC/ds)^2 of the first hidden layer over that of the last.
    condition : float or None
        The largest eigenvalue of the tangent kernel over its rate along the classes: the order of the number of
        updates, inf where no rate is left.
    coherence : float or None
        How much an update on one example tells about others; 0 where nothing carries over, as in chaos.
    learning_rate : float or None
        2 / lambda_1, times the number of classes where the output is softmax, whose curvature is 1 / classes at
        first: the order of the largest stable learning rate.
    logit_second_moment : float or None
        Second moment of the outputs before their activation.
    fluctuation : float or None
        Largest relative variance between networks of one example's signal, to first order in 1 / width.
    probability : float
        That the network trains: at the best learning rate its error is clearly off chance after 500 updates.
    terms : tuple of Term
        What the probability rests on, the heaviest first; empty where the theory refuses.
    recommended_rate : float or None
        Learning rate to begin with: the order of the best one.

    Examples
    --------
    Numbers say what decides. He's initializer keeps signal and gradient of ReLU units over any depth:

    >>> import glorotlab as gl
    >>> spec = gl.NetworkSpec.parse("100,100x10,10", activation="relu", initializer="he_normal")
    >>> verdict = gl.trainability(spec, input_second_moment=1.0)
    >>> verdict.trains, round(verdict.signal_ratio, 3), round(verdict.gradient_ratio, 3)
    (True, 1.0, 1.0)
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
    probability: float = 0.0
    terms: tuple[Term, ...] = ()
    recommended_rate: float | None = None

    def _repr_html_(self) -> str:
        values = {name.replace("_", " "): value for name, value in vars(self).items() if name != "terms"}
        values |= {f"log odds of {term.name}": term.log_odds for term in self.terms}
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
        The network, or its layers as ``NetworkSpec.parse`` takes them; it has one hidden layer at least.
    inputs : array_like, shape (examples, fan_in), optional
        Real data, with ``labels`` of two classes or more; about 100 examples tell enough.
    labels : array_like of int, shape (examples,), optional
        Classes of the inputs.
    input_second_moment : float, optional
        E[x^2], instead of data; ten examples of each class, as correlated as MNIST's digits, then stand in for them.

    Returns
    -------
    Trainability
        A probability, what it rests on, and where it is low the reason.

    Raises
    ------
    InvalidValueError
        Where an argument is not allowed.
    AssumptionError
        Where the moments of the activation cannot be given.

    Examples
    --------
    The gradient vanishes in thirty layers of sigmoid units, and not in as many of tanh units:

    >>> import glorotlab as gl
    >>> sigmoid = gl.trainability(gl.NetworkSpec.parse("100,50x30,10", activation="sigmoid"), input_second_moment=1.0)
    >>> sigmoid.trains, sigmoid.reason.split()[:2]
    (False, ['gradient', 'vanishes'])
    >>> gl.trainability(gl.NetworkSpec.parse("100,50x30,10", activation="tanh"), input_second_moment=1.0).trains
    True
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
    try:
        known = numbers(spec, batch)
    except AssumptionError as error:
        return _refused(str(error).partition(":")[0])
    if math.isnan(known.condition):
        return replace(
            _refused("the tangent kernel overflows"),
            signal_ratio=known.signal_ratio,
            gradient_ratio=known.gradient_ratio,
        )
    added = terms(known)
    chance = REFUSED if known.logit_second_moment > MAX_OUTPUTS else probability(added)
    trains = chance >= 1 / 2
    shown = {name: getattr(known, name) for name in SHOWN}
    speed, fault = _speed(known.condition), bound_exceeded(known)
    reason = "; but ".join(filter(None, (speed, fault))) if trains else fault or _unlikely(added)
    return Trainability(
        trains, reason, **shown, probability=chance, terms=added, recommended_rate=recommended_rate(known)
    )


def _refused(reason: str) -> Trainability:
    return Trainability(False, reason, probability=REFUSED)


def _unlikely(added: tuple[Term, ...]) -> str:
    """Return the predictor that lowers the probability most."""
    least = min(added, key=lambda term: term.log_odds)
    return f"unlikely: {least.name} {least.value:.1e}"


def bound_exceeded(numbers: Numbers | Trainability) -> str | None:
    """Return the first bound that is exceeded, with its number."""
    for name, low, high, what in BOUNDS:
        value = getattr(numbers, name)
        if value is not None and not low <= value <= high:
            return f"{what} {value:.1e}"
    return None


def _speed(condition: float) -> str:
    return f"{'slow: ' if condition > SLOW else ''}condition {condition:.2g}"
