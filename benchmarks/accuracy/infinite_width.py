"""Kernels of infinitely wide networks against neural-tangents: python benchmarks/accuracy/infinite_width.py.

The NNGP kernel of the output and the neural tangent kernel (Jacot et al. 2018) of the activations for which
neural-tangents has a closed form, on Shapeset images, with both times. It is not a dependency of glorotlab: release
0.6.5 runs with jax 0.4.34 and tf2jax 0.3.6.
"""

import os
import time
from collections.abc import Callable

import numpy as np

import glorotlab as gl
from glorotlab.machine import machine_line
from glorotlab.theory.mean_field.forward import forward
from glorotlab.theory.mean_field.inputs import batch_of

GAIN, HIDDEN, REPEATS = 1.5, 5, 5
ACTIVATIONS = ("linear", "relu", "leaky_relu(slope=0.2)", "erf", "sin", "gelu")


def ours(activation: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """NNGP kernel Q of the output, and Theta^{l+1} = Q^{l+1} + n v Theta^l E[f' f']."""
    initializer = f"variance_scaling(scale={GAIN}, mode=fan_in, distribution=normal)"
    spec = gl.NetworkSpec.parse(f"{x.shape[1]},1000x{HIDDEN},10", activation=activation, initializer=initializer)
    signal = forward(spec, batch_of(spec, inputs=x))
    tangent = signal.preactivation[0]
    for below, kernel in zip(signal.derivative, signal.preactivation[1:], strict=True):
        tangent = kernel + GAIN * tangent * below
    return signal.preactivation[-1], tangent


def peer(activation: str) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    import jax
    from neural_tangents import stax

    function = {
        "linear": stax.Identity,
        "relu": stax.Relu,
        "leaky_relu(slope=0.2)": lambda: stax.LeakyRelu(0.2),
        "erf": stax.Erf,
        "sin": stax.Sin,
        "gelu": lambda: stax.Gelu(approximate=False),
    }[activation]
    layers = [layer for _ in range(HIDDEN) for layer in (stax.Dense(1, W_std=GAIN**0.5), function())]
    kernel = jax.jit(stax.serial(*layers, stax.Dense(1, W_std=GAIN**0.5))[2], static_argnums=2)
    return lambda x: tuple(np.asarray(k) for k in kernel(x, None, ("nngp", "ntk")))


def timed(function: Callable[[], tuple[np.ndarray, np.ndarray]]) -> tuple[tuple[np.ndarray, np.ndarray], float]:
    """Result and median seconds, after one call that compiles."""
    function()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = function()
        seconds.append(time.perf_counter() - start)
    return found, float(np.median(seconds))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference relative to the kernel's diagonal."""
    scale = np.sqrt(np.diagonal(b))
    return float((np.abs(a - b) / np.outer(scale, scale)).max())


def main(examples: int = 300) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import jax
    import neural_tangents

    jax.config.update("jax_enable_x64", True)
    x = gl.shapeset(examples)[0].astype(np.float64)
    print(machine_line())
    print(f"{examples} Shapeset images, {HIDDEN} hidden layers, n Var[W] = {GAIN}; ", end="")
    print(f"neural-tangents {neural_tangents.__version__}, jax {jax.__version__}, {os.cpu_count()} CPUs")
    print("activation               NNGP difference   NTK difference   glorotlab ms   neural-tangents ms (compiled)")
    for activation in ACTIVATIONS:
        (nngp, ntk), seconds = timed(lambda name=activation: ours(name, x))
        compiled = peer(activation)
        (their_nngp, their_ntk), their_seconds = timed(lambda call=compiled: call(x))
        row = f"{activation:24} {distance(nngp, their_nngp):15.1e} {distance(ntk, their_ntk):16.1e}"
        print(f"{row} {1e3 * seconds:14.1f} {1e3 * their_seconds:12.1f}")


if __name__ == "__main__":
    main()
