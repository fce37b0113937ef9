"""Reference values of Gaussian moments: ``python tests/moment_reference.py`` writes moment_reference.json.

One example's moments: mpmath at 50 digits, Gauss-Legendre panels split at the kinks and graded by powers of 2. Pairs:
E f(s1) f(s2) as an outer integral over s1 of f(s1) E[f(s2) | s1]; for erf and GELU the inner expectation is a closed
form and mpmath does the outer one, for the others both are panels in 80-bit floats. Nothing of the package is used.
"""

import json
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import mpmath as mp
import numpy as np
from mpmath.calculus.quadrature import GaussLegendre

DIGITS = 50
QS = (1e-8, 1e-5, 1e-3, 0.1, 1.0, 30.0, 1e3, 1e6)
PAIRS = (
    (1.0, 1.0, 0.5),
    (0.05, 2.0, -0.9),
    (20.0, 5.0, 0.999),
    (1e-3, 1e3, 0.3),
    (1e-3, 1e-3, -0.99),
    (1e3, 1e3, 1 - 2.0**-30),
    (0.7, 0.9, -1 + 2.0**-20),
    (1e6, 1e-8, 0.6),
    (1e6, 1e5, -0.8),
)
ALPHA, SCALE = "1.6732632423543772848170429916717", "1.0507009873554804934193349852946"
KINKS = {"relu": (0,), "leaky_relu": (0,), "elu": (0,), "selu": (0,), "softsign": (0,), "hard_tanh": (-1, 1)}
SLOPE = 0.01


def functions(m, number, where):
    """f and f' of every activation for a module of functions ``m``, a type ``number``, and ``where(test, a, b)``."""
    one, zero = number(1), number(0)
    alpha, scale, slope = number(ALPHA), number(SCALE), number(SLOPE)

    def sigmoid(s):
        e = m.exp(-abs(s))
        return where(s > 0, one, e) / (one + e)

    def softplus(s):
        return where(s > 0, s, zero) + m.log1p(m.exp(-abs(s)))

    def sech2(s):
        e = m.exp(-2 * abs(s))
        return 4 * e / (one + e) ** 2

    def negative(s):
        return where(s > 0, zero, s)

    def tanh_softplus(s):
        e = m.exp(-abs(s))
        return where(s > 0, (1 + 2 * e) / (1 + 2 * e + 2 * e * e), e * (e + 2) / (e * (e + 2) + 2))

    def tanh_softplus_slope(s):
        """Sech^2(softplus) sigmoid, with cosh(log(1 + E)) = (1 + E + 1 / (1 + E)) / 2."""
        e = m.exp(-abs(s))
        up, down = 2 * e * (1 + e) / (2 * e * e + 2 * e + 1), 2 * (1 + e) / (2 + 2 * e + e * e)
        return where(s > 0, up, down) ** 2 * sigmoid(s)

    return {
        "linear": (lambda s: s, lambda s: one + 0 * s),
        "relu": (lambda s: where(s > 0, s, zero), lambda s: where(s > 0, one, zero)),
        "leaky_relu": (lambda s: where(s > 0, s, slope * s), lambda s: where(s > 0, one, slope)),
        "sin": (m.sin, m.cos),
        "silu": (lambda s: s * sigmoid(s), lambda s: sigmoid(s) * (1 + s * sigmoid(-s))),
        "elu": (lambda s: where(s > 0, s, m.expm1(negative(s))), lambda s: m.exp(negative(s))),
        "selu": (
            lambda s: scale * where(s > 0, s, alpha * m.expm1(negative(s))),
            lambda s: scale * where(s > 0, one, alpha * m.exp(negative(s))),
        ),
        "softplus": (softplus, sigmoid),
        "hard_tanh": (
            lambda s: where(s > 1, one, where(s < -1, -one, s)),
            lambda s: where(abs(s) < 1, one, zero),
        ),
        "tanh": (m.tanh, sech2),
        "sigmoid": (sigmoid, lambda s: sech2(s / 2) / 4),
        "softsign": (lambda s: s / (1 + abs(s)), lambda s: (1 + abs(s)) ** -2),
        "arctan": (m.arctan if m is np else m.atan, lambda s: 1 / (1 + s * s)),
        "mish": (lambda s: s * tanh_softplus(s), lambda s: tanh_softplus(s) + s * tanh_softplus_slope(s)),
    }


MP_FUNCTIONS = functions(mp, mp.mpf, lambda test, a, b: a if test else b) | {
    "erf": (mp.erf, lambda s: 2 / mp.sqrt(mp.pi) * mp.exp(-s * s)),
    "gelu": (lambda s: s * mp.ncdf(s), lambda s: mp.ncdf(s) + s * mp.npdf(s)),
}


def powers(f, slope) -> tuple:
    """In the order of ``glorotlab.theory.gaussian.moments.NAMES``."""
    return f, f * f, slope, slope**2, f**4, slope**4, (f * slope) ** 2


def moments(name: str, q: float) -> list[str]:
    f, slope = MP_FUNCTIONS[name]
    with mp.workdps(DIGITS):
        rule = GaussLegendre(mp.mp).calc_nodes(5, mp.mp.prec)
        q = mp.mpf(q)
        root = mp.sqrt(q)
        if name == "sin" and q > 1e3:
            a = mp.exp(-2 * q)
            return [
                mp.nstr(v, 25)
                for v in (
                    0,
                    (1 - a) / 2,
                    mp.exp(-q / 2),
                    (1 + a) / 2,
                    (3 - 4 * a + a**4) / 8,
                    (3 + 4 * a + a**4) / 8,
                    (1 - a**4) / 8,
                )
            ]
        edges = {mp.mpf(0), *[root * j / 2 for j in range(1, 31)], *[mp.mpf(2) ** k for k in range(-4, 20)]}
        edges |= {mp.mpf(abs(kink)) for kink in KINKS.get(name, ())}
        if name == "sin":
            edges |= {2 * mp.mpf(j) for j in range(1, int(7.5 * root) + 1)}
        edges = sorted(edge for edge in edges if edge <= 15 * root)
        totals = [mp.mpf(0)] * 7
        for low, high in pairwise(edges):
            half, middle = (high - low) / 2, (high + low) / 2
            for node, weight in rule:
                s = middle + half * node
                measure = half * weight * mp.exp(-((s / root) ** 2) / 2) / (mp.sqrt(2 * mp.pi) * root)
                for side in (s, -s):
                    for index, value in enumerate(powers(f(side), slope(side))):
                        totals[index] += measure * value
        return [mp.nstr(total, 25) for total in totals]


def graded(centres, finest, reach, step):
    """Edges of [-reach, reach]: uniform ones, and around each centre powers of 2 from ``finest`` on."""
    edges = [np.arange(-reach, reach + step / 2, step)]
    for centre in centres:
        offsets = finest * np.longdouble(2) ** np.arange(-1, int(np.log2(2 * reach / finest)) + 2)
        edges.append(centre + np.concatenate([-offsets, [0], offsets]))
    return np.clip(np.concatenate(edges).astype(np.longdouble), -reach, reach)


def panels(edges):
    nodes, weights = legendre(20)
    half, middle = np.diff(edges)[..., np.newaxis] / 2, (edges[..., 1:] + edges[..., :-1])[..., np.newaxis] / 2
    shape = (*edges.shape[:-1], -1)
    return (middle + half * nodes).reshape(shape), (half * weights).reshape(shape)


@cache
def legendre(order: int):
    """Nodes and weights to 25 digits."""
    with mp.workdps(30):
        start = np.polynomial.legendre.leggauss(order)[0]
        roots = [mp.findroot(lambda x: mp.legendre(order, x), mp.mpf(float(x))) for x in start]
        weights = [2 * (1 - x**2) / (order * mp.legendre(order - 1, x)) ** 2 for x in roots]
        return tuple(np.array([np.longdouble(mp.nstr(x, 25)) for x in each]) for each in (roots, weights))


def pair(name: str, q1: float, q2: float, rho: float) -> list[str]:
    if name in ("erf", "gelu"):
        return smooth_pair(name, q1, q2, rho)
    real = np.longdouble
    f = functions(np, real, np.where)[name]
    a, b, rho = np.sqrt(real(q1)), np.sqrt(real(q2)), real(rho)
    spread = np.sqrt((1 - rho) * (1 + rho))
    kinks = (0, *KINKS.get(name, ()))
    finest = min(real(1), 1 / a, max(spread, 1 / b) if name not in KINKS else spread)
    step = 0.75
    if name == "sin":
        step = min(step, 3 / float(a))
    u, outer = panels(np.unique(graded([k / a for k in kinks] + [k / (b * rho) for k in kinks], finest, 10, step)))
    outer = outer * np.exp(-u * u / 2)
    found = np.zeros(2, dtype=real)
    for at, weight in zip(u, outer, strict=True):
        centres = [(k / b - rho * at) / spread for k in kinks]
        inner_step = min(0.75, 3 / float(b * spread)) if name == "sin" else 0.75
        v, inner = panels(np.unique(graded(centres, min(real(1), 1 / (b * spread)), 10, inner_step)))
        inner = inner * np.exp(-v * v / 2)
        s = b * (rho * at + spread * v)
        found += [weight * g(a * at) * (inner @ g(s)) for g in f]
    return [f"{value:.19e}" for value in found / (2 * real("3.14159265358979323846264338328"))]


def smooth_pair(name: str, q1: float, q2: float, rho: float) -> list[str]:
    """The mean of f(m + t e) over e is known; of f' it is its derivative in m."""
    f, slope = MP_FUNCTIONS[name]
    with mp.workdps(30):
        a, b, rho = mp.sqrt(q1), mp.sqrt(q2), mp.mpf(rho)
        t2 = b * b * (1 - rho * rho)
        k = mp.sqrt(1 + (2 * t2 if name == "erf" else t2))

        def mean(m):
            return mp.erf(m / k) if name == "erf" else m * mp.ncdf(m / k) + t2 / k * mp.npdf(m / k)

        def mean_slope(m):
            if name == "erf":
                return 2 / mp.sqrt(mp.pi) / k * mp.exp(-((m / k) ** 2))
            return mp.ncdf(m / k) + m / k**3 * mp.npdf(m / k)

        finest = min(mp.mpf(1), 1 / a, 1 / b)
        offsets = [finest * mp.mpf(2) ** j for j in range(-1, int(mp.log(24 / finest, 2)) + 1)]
        edges = sorted({mp.mpf(j) for j in range(-12, 13)} | {x for o in offsets for x in (-o, o) if abs(x) < 12})
        rule = GaussLegendre(mp.mp).calc_nodes(4, mp.mp.prec)
        found = [mp.mpf(0)] * 2
        for low, high in pairwise(edges):
            half, middle = (high - low) / 2, (high + low) / 2
            for node, weight in rule:
                u = middle + half * node
                measure = half * weight * mp.npdf(u)
                found[0] += measure * f(a * u) * mean(b * rho * u)
                found[1] += measure * slope(a * u) * mean_slope(b * rho * u)
        return [mp.nstr(value, 20) for value in found]


def main() -> None:
    path = Path(__file__).with_suffix(".json")
    table = {"moments": {}, "pairs": {}}
    for name in MP_FUNCTIONS:
        table["moments"][name] = {repr(q): moments(name, q) for q in QS}
        pairs = [each for each in PAIRS if name != "sin" or max(each[:2]) <= 30]
        table["pairs"][name] = {repr(each): pair(name, *each) for each in pairs}
        print(name, file=sys.stderr, flush=True)
        path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
