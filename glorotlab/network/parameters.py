"""The parameters that training changes: weights and biases, their velocities, their factors of the learning rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from glorotlab.arrays import FloatArray
from glorotlab.kernels.network.buffers import STORED, padded_matrix, padded_zeros
from glorotlab.network.checks import check_rates, check_state
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, generator
from glorotlab.threads import single_threaded_blas

MaybeArrays = list[FloatArray | None]


class Parameters:
    """The arrays of a network, one of each kind a layer, drawn as its spec says.

    Rows of matrices lie on cache lines, where the kernels rely on their memory.

    Parameters
    ----------
    spec : NetworkSpec
    seed : int
    dtype : numpy.dtype

    Attributes
    ----------
    weights, biases : tuple of ndarray
    weight_velocities, bias_velocities : list of ndarray or None
        None until a step has momentum.
    weight_rates, bias_rates : list of ndarray or None
        Factors of the learning rate; None until ``set_rates``.
    """

    def __init__(self, spec: NetworkSpec, seed: int, dtype: np.dtype[Any]) -> None:
        self.spec, self.dtype = spec, dtype
        self.weights, self.biases = (tuple(arrays) for arrays in zip(*self._draw(seed), strict=True))
        self.weight_velocities, self.bias_velocities = self._none(), self._none()
        self.weight_rates, self.bias_rates = self._none(), self._none()

    @classmethod
    def of(cls, spec: NetworkSpec, dtype: np.dtype[Any], arrays: Mapping[str, FloatArray]) -> Self:
        """Return parameters with the values of another ``arrays``, in memory of their own."""
        own = cls.__new__(cls)
        own.spec, own.dtype = spec, dtype
        own.weights = tuple(padded_matrix(*fans, dtype, STORED) for fans in spec.fans)
        own.biases = tuple(np.empty(fan_out, dtype=dtype) for _, fan_out in spec.fans)
        own.load(arrays)
        return own

    def copy(self) -> Self:
        """Return a copy, in memory that the kernels can rely on as well."""
        return self.of(self.spec, self.dtype, self.arrays())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).of, (self.spec, self.dtype, self.arrays())

    def _draw(self, seed: int) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield weights and biases of every layer."""
        with single_threaded_blas():  # orthogonal matrices come from a QR factorization
            for layer, (fan_in, fan_out) in enumerate(self.spec.fans, start=1):
                weights = padded_matrix(fan_in, fan_out, self.dtype, STORED)
                self.spec.weight_initializer.fill(generator(seed, Purpose.WEIGHTS, layer), weights)
                biases = self.spec.bias_initializer.sample(generator(seed, Purpose.BIASES, layer), fan_in, fan_out)
                yield weights, np.ascontiguousarray(biases, dtype=self.dtype)

    def allocate_velocities(self) -> None:
        """Give every weight and bias a velocity of 0, unless it has one."""
        if self.weight_velocities[0] is None:
            self.weight_velocities, self.bias_velocities = self._zeros()

    def move_along_velocities(self, amount: float) -> None:
        """Add ``amount`` times its velocity to every weight and bias; nothing happens where there are none."""
        own, velocities = (*self.weights, *self.biases), (*self.weight_velocities, *self.bias_velocities)
        for parameter, velocity in zip(own, velocities, strict=True):
            if velocity is not None:
                parameter += self.dtype.type(amount) * velocity

    def set_rates(self, weights: Sequence[FloatArray], biases: Sequence[FloatArray]) -> None:
        """Give every weight and bias its factor of the learning rate; see ``Network.set_rates``."""
        check_rates(weights, self.weights)
        check_rates(biases, self.biases)
        self._allocate_rates()
        for own, factors in zip((*self.weight_rates, *self.bias_rates), (*weights, *biases), strict=True):
            own[...] = factors  # type: ignore[index]

    def _allocate_rates(self) -> None:
        if self.weight_rates[0] is None:
            self.weight_rates, self.bias_rates = self._zeros()

    def arrays(self) -> dict[str, FloatArray]:
        """Return the existing arrays, not copies: ``weight_1``, ``bias_1``, ``weight_velocity_1``, ..."""
        kinds: dict[str, Sequence[FloatArray | None]] = {
            "weight": self.weights,
            "bias": self.biases,
            "weight_velocity": self.weight_velocities,
            "bias_velocity": self.bias_velocities,
            "weight_rate": self.weight_rates,
            "bias_rate": self.bias_rates,
        }
        return {
            f"{name}_{layer}": own
            for name, arrays in kinds.items()
            for layer, own in enumerate(arrays, start=1)
            if own is not None
        }

    def load(self, state: Mapping[str, FloatArray]) -> None:
        """Load the arrays of another ``arrays``, bit for bit; see ``Network.load_state``."""
        check_state(state, self.spec, str(self.dtype))
        self.weight_velocities, self.bias_velocities = self._none(), self._none()
        self.weight_rates, self.bias_rates = self._none(), self._none()
        if "weight_velocity_1" in state:
            self.allocate_velocities()
        if "weight_rate_1" in state:
            self._allocate_rates()
        for name, own in self.arrays().items():
            np.copyto(own, state[name], casting="no")

    def _none(self) -> MaybeArrays:
        return [None] * len(self.spec.fans)

    def _zeros(self) -> tuple[MaybeArrays, MaybeArrays]:
        """Return zeros shaped as the weights and as the biases."""
        weights = [padded_zeros(fan_in, fan_out, self.dtype, STORED) for fan_in, fan_out in self.spec.fans]
        return [*weights], [np.zeros_like(bias) for bias in self.biases]
