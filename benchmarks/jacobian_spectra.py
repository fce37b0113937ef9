"""Singular values of Jacobians at width 1,000, predicted and measured: python benchmarks/jacobian_spectra.py.

Networks of different seeds are decomposed on one Shapeset image, for which the spectrum is predicted. Printed are the
mean singular value; measured over predicted, with the standard error over networks; the Kolmogorov-Smirnov distance of
the singular values of all networks together, and the mean of those of each (where slopes are independent, as with one
orthogonal layer, n of them scatter by .87 / sqrt(n): .027); the share of zeros.
"""

import platform
import time

import numpy as np

import glorotlab as gl
from glorotlab.measurement.jacobian_spectra import jacobian_singular_values

SQUARE, RECTANGULAR = "1024,1000x5,9", "1024,1000,400,1000,9"
DOUBLED = "variance_scaling(scale=2, mode=fan_max, distribution=orthogonal)"
CASES = [
    (layers, activation, initializer, layer)
    for activation, initializers in (
        ("tanh", ("glorot_normal", "glorot_uniform", "standard_uniform", "orthogonal")),
        ("relu", ("he_normal", "he_uniform", DOUBLED)),
        ("softsign", ("glorot_uniform",)),
        ("gelu", ("he_normal",)),
    )
    for initializer in initializers
    for layers, layer in ((SQUARE, 3), (SQUARE, None), (RECTANGULAR, 2), (RECTANGULAR, 3), (RECTANGULAR, None))
    if layers == SQUARE or initializer in ("glorot_normal", "orthogonal", "he_normal")
]
NETWORKS, POINTS, AROUND = 8, 400, 1e-6
ZERO = 1e-12
"""Singular values below this share of the largest are 0 but for rounding."""


def distance(spectrum, values: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance, taken at ``POINTS`` of the singular values that are not 0, on both sides of each."""
    ordered = np.sort(values)
    zeros = int((ordered <= ZERO * ordered[-1]).sum())
    at = np.unique(np.linspace(zeros, len(ordered) - 1, POINTS).astype(int))
    below, above = ordered[at] * (1 - AROUND), ordered[at] * (1 + AROUND)
    sides = (below, np.searchsorted(ordered, below)), (above, np.searchsorted(ordered, above, side="right"))
    return float(max(np.abs(spectrum.cdf(sigma) - counts / len(ordered)).max() for sigma, counts in sides))


def row(layers: str, activation: str, initializer: str, layer: int | None) -> str:
    spec = gl.NetworkSpec.parse(layers, activation=activation, initializer=initializer)
    x, _ = gl.shapeset(1)
    start = time.perf_counter()
    spectrum = gl.jacobian_spectrum(spec, inputs=x, layer=layer)
    seconds = time.perf_counter() - start
    networks = (gl.Network(spec, seed=seed, dtype="float64") for seed in range(NETWORKS))
    values = np.concatenate([jacobian_singular_values(network, x, layer) for network in networks])
    ratios = values.mean(axis=1) / spectrum.mean
    alone = np.mean([distance(spectrum, each) for each in values])
    what = f"layer {layer}" if layer else f"1 to {len(spec.fans) - 1}"
    zeros = (values <= ZERO * values.max()).mean()
    pooled, atom = distance(spectrum, values.ravel()), spectrum.atom_at_zero
    return (
        f"{layers:22} {activation:9} {initializer.partition('(')[0]:17} {what:8} {spectrum.mean:9.5f} "
        f"{100 * (ratios.mean() - 1):+6.2f} +- {100 * ratios.std(ddof=1) / NETWORKS**0.5:4.2f} % "
        f"{pooled:7.4f} {alone:7.4f} {atom:7.4f} {zeros:7.4f} {seconds:7.2f}"
    )


def main() -> None:
    print(f"{platform.processor() or platform.machine()}, numpy {np.__version__}; {NETWORKS} networks each")
    print(f"{'':58} {'mean':>9} {'measured / predicted':>16} {'KS':>5} {'KS':>7} {'zeros':>15}")
    print(
        f"{'layers':22} {'f':9} {'weights':17} {'Jacobian':8} predicted {'- 1':>16} {'pooled':>7} {'single':>7}", end=""
    )
    print(f" {'pred.':>7} {'meas.':>7} seconds")
    for case in CASES:
        print(row(*case), flush=True)


if __name__ == "__main__":
    main()
