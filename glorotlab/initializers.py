"""Initializers: variance scaling with four distributions, and the field's names for its instances.

Every weight has mean zero and variance scale / fan, where fan is chosen by the mode. Sources:
``standard_uniform`` is eq. 1 and ``glorot_*`` eqs. 12 and 16 of Glorot & Bengio (2010); ``he_*`` He et al. (2015);
``lecun_*`` LeCun et al. (1998); ``orthogonal`` Saxe et al. (2014); ``sparse`` Martens (2010) and Sutskever et al.
(2013); ``torch_default`` the weights and the biases of ``torch.nn.Linear``, both uniform between +-1/sqrt(fan_in);
``nielsen_*`` Nielsen, "Neural Networks and Deep Learning", chapters 3 and 5.

Where others differ: our ``*_normal`` are untruncated (Keras truncates ``glorot_normal``, ``he_normal`` and
``lecun_normal`` at two standard deviations and rescales to the same variance), and ``truncated_normal(std=)`` takes
the standard deviation of the truncated result (Keras and JAX take that of the normal before truncation).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab import names
from glorotlab.errors import InvalidValueError, UnknownNameError

Weights = npt.NDArray[np.float64]

TRUNCATION = 2.0
"""Truncation point of ``truncated_normal``, in standard deviations of the normal before truncation."""

_DENSITY = math.exp(-(TRUNCATION**2) / 2) / math.sqrt(2 * math.pi)
_TAIL = math.erfc(TRUNCATION / math.sqrt(2)) / 2
TRUNCATED_VARIANCE = 1 - 2 * TRUNCATION * _DENSITY / (1 - 2 * _TAIL)
"""Variance of N(0, 1) truncated to [-2, 2]: 0.7737."""
_TRUNCATED_FOURTH = 3 * TRUNCATED_VARIANCE - 2 * TRUNCATION**3 * _DENSITY / (1 - 2 * _TAIL)

MODES = ("fan_in", "fan_out", "fan_avg", "fan_max", "none")
"""Divisors of the scale: a fan, the mean or the larger of both, or 1."""

DRAWN_AT_ONCE = 1 << 15
"""Number of independent weights drawn in float64 at a time, before they are rounded."""

DISTRIBUTIONS = ("uniform", "normal", "truncated_normal", "orthogonal")


@dataclass(frozen=True)
class Initializer:
    """Weights of mean zero and variance scale / fan.

    Parameters
    ----------
    name : str
        Canonical text, parameters included, for example ``normal(std=0.05)``.
    scale : float
    mode : str
        One of ``MODES``.
    distribution : str
        One of ``DISTRIBUTIONS``, or ``sparse``: each unit receives ``scale`` weights from N(0, ``std``^2), the rest 0.
    std : float
        Standard deviation of the weights of a sparse matrix that are not 0; other distributions have 1 here.
    bias : str
        The bias initializer that goes with it unless told otherwise.
    """

    name: str
    scale: float
    mode: str
    distribution: str
    bias: str = "zeros"
    std: float = 1.0

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Return Var[W] of a (fan_in, fan_out) matrix."""
        fans = {
            "fan_in": fan_in,
            "fan_out": fan_out,
            "fan_avg": (fan_in + fan_out) / 2,
            "fan_max": max(fan_in, fan_out),
            "none": 1,
        }
        scale = self.std**2 * min(self.scale, fan_in) if self.distribution == "sparse" else self.scale
        return scale / fans[self.mode]

    def excess_kurtosis(self, fan_in: int, fan_out: int) -> float:
        """Return E[W^4] / Var[W]^2 - 3 of one weight."""
        if self.distribution == "uniform":
            return -6 / 5
        if self.distribution == "truncated_normal":
            return _TRUNCATED_FOURTH / TRUNCATED_VARIANCE**2 - 3
        if self.distribution == "orthogonal":  # one entry of a uniform unit vector in max(fan) dimensions
            return -6 / (max(fan_in, fan_out) + 2)
        if self.distribution == "sparse":
            return 3 * self.std**2 / self.variance(fan_in, fan_out) - 3
        return 0.0

    @property
    def independent(self) -> bool:
        """Whether the weights are independent of each other."""
        return self.distribution in ("uniform", "normal", "truncated_normal")

    def sample(self, generator: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
        """Draw a matrix of shape (fan_in, fan_out), float64."""
        weights = np.empty((fan_in, fan_out))
        self.fill(generator, weights)
        return weights

    def fill(
        self,
        generator: np.random.Generator,
        weights: npt.NDArray[np.floating[Any]],
        fans: tuple[int, int] | None = None,
    ) -> None:
        """Draw a matrix into place, rounded to its dtype; independent weights a few rows at a time, to save memory.

        ``fans`` are those of the variance where they are not the matrix' shape, as those of a convolution.
        """
        fan_in, fan_out = weights.shape
        std = math.sqrt(self.variance(*(fans or weights.shape)))
        if self.distribution == "sparse":
            weights[...] = _sample_sparse(generator, fan_in, fan_out, min(int(self.scale), fan_in), self.std)
            return
        step = max(1, DRAWN_AT_ONCE // fan_out) if self.independent else fan_in
        for first in range(0, fan_in, step):
            rows = weights[first : first + step]
            rows[...] = _SAMPLERS[self.distribution](generator, len(rows), fan_out, std)


def _sample_uniform(generator: np.random.Generator, fan_in: int, fan_out: int, std: float) -> Weights:
    bound = math.sqrt(3) * std
    return generator.uniform(-bound, bound, (fan_in, fan_out))


def _sample_normal(generator: np.random.Generator, fan_in: int, fan_out: int, std: float) -> Weights:
    return generator.normal(0, std, (fan_in, fan_out))


def _sample_truncated(generator: np.random.Generator, fan_in: int, fan_out: int, std: float) -> Weights:
    from scipy.special import ndtri

    quantile = ndtri(generator.uniform(_TAIL, 1 - _TAIL, (fan_in, fan_out)))
    return np.asarray(std / math.sqrt(TRUNCATED_VARIANCE) * quantile)


def _sample_orthogonal(generator: np.random.Generator, fan_in: int, fan_out: int, std: float) -> Weights:
    """Haar-distributed: Q of a Gaussian matrix, with the signs that make R's diagonal positive (Mezzadri 2007)."""
    large, small = max(fan_in, fan_out), min(fan_in, fan_out)
    q, r = np.linalg.qr(generator.normal(size=(large, small)))
    q *= np.sign(np.diag(r)) * std * math.sqrt(large)
    return q if fan_in >= fan_out else q.T


def _sample_sparse(generator: np.random.Generator, fan_in: int, fan_out: int, incoming: int, std: float) -> Weights:
    order = np.argsort(generator.random((fan_in, fan_out)), axis=0)
    weights = np.zeros((fan_in, fan_out))
    np.put_along_axis(weights, order[:incoming], generator.normal(0, std, (incoming, fan_out)), axis=0)
    return weights


_SAMPLERS: dict[str, Callable[[np.random.Generator, int, int, float], Weights]] = {
    "uniform": _sample_uniform,
    "normal": _sample_normal,
    "truncated_normal": _sample_truncated,
    "orthogonal": _sample_orthogonal,
}

_NAMED = {
    record.name: record
    for record in (
        Initializer("standard_uniform", 1 / 3, "fan_in", "uniform"),
        Initializer("glorot_uniform", 1.0, "fan_avg", "uniform"),
        Initializer("glorot_normal", 1.0, "fan_avg", "normal"),
        Initializer("he_uniform", 2.0, "fan_in", "uniform"),
        Initializer("he_normal", 2.0, "fan_in", "normal"),
        Initializer("lecun_uniform", 1.0, "fan_in", "uniform"),
        Initializer("lecun_normal", 1.0, "fan_in", "normal"),
        Initializer("orthogonal", 1.0, "fan_max", "orthogonal"),
        Initializer("torch_default", 1 / 3, "fan_in", "uniform", bias="uniform_fan_in"),
        Initializer("nielsen_default", 1.0, "fan_in", "normal", bias="normal(std=1)"),
        Initializer("nielsen_large", 1.0, "none", "normal", bias="normal(std=1)"),
    )
}

ALIASES = {
    "standard": "standard_uniform",
    "xavier_uniform": "glorot_uniform",
    "xavier_normal": "glorot_normal",
    "kaiming_uniform": "he_uniform",
    "kaiming_normal": "he_normal",
}

_PARAMETRIC: dict[str, dict[str, float | str]] = {
    "variance_scaling": {"scale": 1.0, "mode": "fan_in", "distribution": "normal"},
    "normal": {"std": 0.05},
    "truncated_normal": {"std": 0.05},
    "uniform": {"bound": 0.05},
    "sparse": {"k": 15.0, "std": 1.0},
}
"""Names that take parameters, with their defaults."""

_BIASES: dict[str, dict[str, float | str]] = {
    "zeros": {},
    "normal": {"std": 1.0},
    "uniform": {"bound": 1.0},
    "constant": {"value": 0.5},
    "uniform_fan_in": {},
    "variance_scaling": {"scale": 1.0, "distribution": "uniform"},
}

BIAS_DISTRIBUTIONS = ("uniform", "normal")
"""Distributions of biases whose variance is scaled by fan_in."""

NAMES = (*_NAMED, *ALIASES, *_PARAMETRIC)

BIAS_NAMES = tuple(_BIASES)


def get(text: str) -> Initializer:
    """Return the initializer of a name, with parameters in brackets where it takes them.

    Parameters
    ----------
    text : str
        A name or alias of ``NAMES``, for example ``glorot_uniform``, ``normal(std=0.05)``, ``sparse(k=15)`` or
        ``variance_scaling(scale=2, mode=fan_in, distribution=truncated_normal)``.

    Raises
    ------
    UnknownNameError, InvalidValueError
        Where the name, a parameter or its value is not allowed.
    """
    table: dict[str, dict[str, float | str]] = {key: {} for key in (*_NAMED, *ALIASES)} | _PARAMETRIC
    name, values = names.parse("initializer", text, table)
    name = ALIASES.get(name, name)
    if name in _NAMED:
        return _NAMED[name]
    initializer = _parametric(text, name, values)
    if values.get("std") == 1 and name == "sparse":
        del values["std"]  # the name that it had before it took one
    return replace(initializer, name=names.canonical(name, values))


def _parametric(text: str, name: str, values: Mapping[str, float | str]) -> Initializer:
    if name == "variance_scaling":
        mode, distribution = str(values["mode"]), str(values["distribution"])
        if mode not in MODES:
            raise UnknownNameError("mode", mode, MODES)
        if distribution not in DISTRIBUTIONS:
            raise UnknownNameError("distribution", distribution, DISTRIBUTIONS)
        return Initializer(name, float(values["scale"]), mode, distribution)
    if name == "sparse":
        k = float(values["k"])
        if k != int(k):
            raise InvalidValueError(f"initializer {text!r}: k {values['k']!r}: allowed are whole numbers from 1")
        return Initializer(name, k, "fan_in", "sparse", std=float(values["std"]))
    if name == "uniform":
        return Initializer(name, float(values["bound"]) ** 2 / 3, "none", "uniform")
    return Initializer(name, float(values["std"]) ** 2, "none", name)


@dataclass(frozen=True)
class BiasInitializer:
    """Independent biases of one mean, and of one variance or of variance scale / fan_in.

    Parameters
    ----------
    name : str
        Canonical text: ``zeros``, ``normal(std=1)``, ``uniform(bound=1)``, ``constant(value=0.5)``, ``uniform_fan_in``
        or ``variance_scaling(scale=1,distribution=uniform)``.
    scale : float
        Variance, times fan_in where ``mode`` is ``fan_in``.
    mean : float
        0 but of constant biases; the theory, whose pre-activations have mean zero, refuses another.
    distribution : str
        ``uniform`` or ``normal``; of no account where the variance is 0.
    mode : str
        ``none`` or ``fan_in``: what the scale is divided by.
    """

    name: str
    scale: float
    mean: float = 0.0
    distribution: str = "uniform"
    mode: str = "none"

    def variance_at(self, fan_in: int) -> float:
        """Return Var[b] in a layer of this many inputs."""
        return self.scale / fan_in if self.mode == "fan_in" else self.scale

    @property
    def variance(self) -> float:
        """Var[b] where it is the same in every layer; InvalidValueError where it depends on fan_in."""
        if self.mode == "fan_in":
            raise InvalidValueError(f"biases {self.name}: their variance depends on fan_in: ask variance_at(fan_in)")
        return self.scale

    @property
    def excess_kurtosis(self) -> float:
        """The excess kurtosis, E[b^4] / Var[b]^2 - 3; 0 where the variance is."""
        return -6 / 5 if self.scale and self.distribution == "uniform" else 0.0

    def sample(self, generator: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
        """Draw the vector of a (fan_in, fan_out) layer, shape (fan_out,), float64."""
        if self.scale == 0:
            return np.full(fan_out, self.mean)
        return _SAMPLERS[self.distribution](generator, 1, fan_out, math.sqrt(self.variance_at(fan_in))).ravel()


def get_bias(text: str) -> BiasInitializer:
    """Return the bias initializer of a name, as ``BiasInitializer`` lists them; errors as for ``get``."""
    name, values = names.parse("bias", text, _BIASES)
    canonical, value = names.canonical(name, values), float(next(iter(values.values()), 0))
    if name == "variance_scaling":
        distribution = str(values["distribution"])
        if distribution not in BIAS_DISTRIBUTIONS:
            raise UnknownNameError("distribution", distribution, BIAS_DISTRIBUTIONS)
        return BiasInitializer(canonical, value, 0.0, distribution, "fan_in")
    return {
        "zeros": BiasInitializer(canonical, 0.0),
        "constant": BiasInitializer(canonical, 0.0, value),
        "normal": BiasInitializer(canonical, value**2, 0.0, "normal"),
        "uniform": BiasInitializer(canonical, value**2 / 3),
        "uniform_fan_in": BiasInitializer(canonical, 1 / 3, mode="fan_in"),
    }[name]
