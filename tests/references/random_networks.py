"""Second moments of many random networks at once, by NumPy alone in float32: what measuring each would give."""

import itertools

import kernel_reference
import numpy as np

STATISTICS = (
    "preactivation_second_moment",
    "activation_second_moment",
    "backprop_gradient_second_moment",
    "example_weight_gradient_second_moment",
    "batch_weight_gradient_second_moment",
    "learning_speed",
)


def draw(random, distribution, shape, variance):
    if distribution == "uniform":
        return (random.random(shape, dtype=np.float32) - np.float32(0.5)) * np.float32(np.sqrt(12 * variance))
    return random.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(variance))


def second_moments(sizes, activation, variances, x, labels, networks, distribution="normal", seed=0, block=500):
    """Softmax with log-likelihood, zero biases; dict of name to (networks, layers)."""
    parts = []
    for start in range(0, networks, block):
        count = min(block, networks - start)
        parts.append(_block(sizes, activation, variances, x, labels, count, distribution, (seed, start)))
    return {name: np.concatenate([part[name] for part in parts]) for name in STATISTICS}


def second_moments_of_one_example(sizes, activation, variances, x, label, networks, seed=0):
    """The same of one example and normal weights, which are never drawn: only what the example sees of them.

    W'z is normal with variance v |z|^2 whatever z is. Given it, Wd is z (W'z)'d / |z|^2 and, at right angles to z,
    normal with variance v |d|^2: the rest of W, of which nothing else is known. The law is that of drawn weights.
    """
    random, (f, slope) = np.random.default_rng(seed), kernel_reference.functions(activation)

    def normal(vectors, variance, size):
        return random.standard_normal((networks, size)) * np.sqrt(variance * squared(vectors))

    z, s = [np.broadcast_to(x, (networks, sizes[0]))], []
    for variance, size in zip(variances, sizes[1:], strict=True):
        s.append(normal(z[-1], variance, size))
        z.append(f(s[-1]))
    p = np.exp(s[-1] - s[-1].max(axis=1, keepdims=True))
    d = p / p.sum(axis=1, keepdims=True) - np.eye(sizes[-1])[label]
    found = {name: np.full((networks, len(s)), np.nan) for name in STATISTICS}
    for layer in range(len(s) - 1, -1, -1):
        below, gradient = (z[layer] ** 2).mean(axis=1), (d**2).mean(axis=1)
        signal = (z[layer + 1] ** 2).mean(axis=1) if layer < len(s) - 1 else np.nan
        weights = below * gradient
        values = (s[layer] ** 2).mean(axis=1), signal, gradient, weights, weights, np.sqrt(squared(d)[:, 0])
        for name, value in zip(STATISTICS, values, strict=True):
            found[name][:, layer] = value
        if layer:
            rest = normal(d, variances[layer], sizes[layer])
            known = ((s[layer] * d).sum(axis=1) - (z[layer] * rest).sum(axis=1))[:, np.newaxis] / squared(z[layer])
            d = (rest + known * z[layer]) * slope(s[layer - 1])
    return found


def squared(vectors):
    return (vectors**2).sum(axis=1, keepdims=True)


def _block(sizes, activation, variances, x, labels, networks, distribution, seed):
    random, (f, slope) = np.random.default_rng(seed), kernel_reference.functions(activation)
    shapes = list(itertools.pairwise(sizes))
    weights = [draw(random, distribution, (networks, *s), v) for s, v in zip(shapes, variances, strict=True)]
    z, s = [np.broadcast_to(x.astype(np.float32), (networks, *x.shape))], []
    for weight in weights:
        s.append(z[-1] @ weight)
        z.append(f(s[-1]))
    p = np.exp(s[-1] - s[-1].max(axis=2, keepdims=True))
    d = p / p.sum(axis=2, keepdims=True) - np.eye(sizes[-1], dtype=np.float32)[labels]
    found = {name: np.full((networks, len(shapes)), np.nan) for name in STATISTICS}
    for layer in range(len(shapes) - 1, -1, -1):
        squares = (z[layer] ** 2).mean(axis=2), (d**2).mean(axis=2)
        gradient = np.swapaxes(z[layer], 1, 2) @ d / len(x)
        values = (
            (s[layer] ** 2).mean(axis=(1, 2)),
            (z[layer + 1] ** 2).mean(axis=(1, 2)) if layer < len(shapes) - 1 else np.nan,
            squares[1].mean(axis=1),
            (squares[0] * squares[1]).mean(axis=1),
            (gradient**2).mean(axis=(1, 2)),
            np.sqrt((d.mean(axis=1) ** 2).sum(axis=1)),
        )
        for name, value in zip(STATISTICS, values, strict=True):
            found[name][:, layer] = value
        if layer:
            d = d @ np.swapaxes(weights[layer], 1, 2) * slope(s[layer - 1])
    return found
