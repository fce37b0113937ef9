"""Hand-made results of experiments, true and false, and the smallest scale at which the catalogue runs."""

import numpy as np
import xarray as xr

from glorotlab.experiments.scales import Scale

TINY = Scale(
    name="tiny",
    width=30,
    networks=3,
    examples=6,
    bins=8,
    jacobian_networks=6,
    trained_width=30,
    updates=12,
    records=3,
    monitored=3,
    seeds=2,
    stored_updates=12,
    stored_records=2,
    stored_seeds=2,
    depths=(1, 5),
    learning_rates=(0.05,),
    validation=10,
    test=20,
    svm_images=60,
    pretraining_updates=4,
)

SEEDS, LAYERS, BINS = 5, 6, 40


def scatter(values, seeds=SEEDS, relative=1e-3):
    """Values once a seed, each a little off: seeds alternate above and below."""
    off = relative * np.where(np.arange(seeds) % 2, 1.0, -1.0)
    values = np.asarray(values, dtype=float)
    return values * (1 + off.reshape(-1, *[1] * values.ndim))


def initialized(tensor, spreads, predicted=None):
    """Measured and predicted results of one initialiser: Gaussian histograms of the given root mean squares."""
    spreads = np.asarray(spreads, dtype=float)
    edges = np.linspace(-1, 1, BINS + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    counts = np.exp(-((middle / spreads[:, None]) ** 2) / 2) * 1000
    counts /= counts.sum(axis=1, keepdims=True)
    second = xr.Variable(("seed", "layer"), scatter(spreads**2))
    measured = xr.Dataset(
        {
            f"{tensor}_second_moment": second,
            f"{tensor}_count": (("seed", "layer", "bin"), np.array([counts] * SEEDS) * scatter(np.ones(1))[..., None]),
            f"{tensor}_edge": (("seed", "layer", "edge"), np.broadcast_to(edges, (SEEDS, len(spreads), BINS + 1))),
        }
    )
    expected = spreads**2 if predicted is None else np.asarray(predicted, dtype=float) ** 2
    return measured, xr.Dataset({f"{tensor}_second_moment": ("layer", expected)})


UNEVEN = [0.02, 0.06, 0.15, 0.3, 0.6, 1.0]
"""Root mean squares of the negative control: nothing is alike, and no theory of tanh fits."""


def initialization(tensor, standard, normalised, predicted=None):
    """Results of figures 6, 7 and 8."""
    found = {"sigmoid_measured": initialized(tensor, UNEVEN)[0]}
    for name, spreads in (("standard", standard), ("normalised", normalised)):
        found[f"{name}_measured"], found[f"{name}_predicted"] = initialized(tensor, spreads, predicted)
    return found


def verdicts(claims):
    return [claim.verdict for claim in claims]


def curves(errors, updates=5_000_000):
    """Error curves: from chance to a final error, per network name; and the best constant guess."""
    found = {"constant_errors": xr.Dataset({"test_error": ("seed", np.full(SEEDS, 5 / 6))})}
    for name, error in errors.items():
        rows = np.stack([np.full(SEEDS, 0.83), scatter(error)], axis=1)
        found[f"{name}_curves"] = xr.Dataset(
            {"test_error": (("seed", "step"), rows)},
            coords={"step": [0.0, updates]},
            attrs={"network": "1024,6x5,9", "updates": float(updates)},
        )
    return found


def statistics(means=None, percentiles=None, backprop=None, updates=5_000_000, **others):
    """Statistics over steps, (step, layer) each, the output layer added as not a number; all variables are alike."""
    given = (means, percentiles, backprop, *others.values())
    rows = np.asarray(next(values for values in given if values is not None), dtype=float)
    padded = np.concatenate([rows, np.full((len(rows), 1), np.nan)], axis=1)
    steps = np.linspace(0, updates, len(rows))
    return xr.Dataset(
        {
            "activation_mean": (("seed", "step", "layer"), scatter(padded)),
            "activation_variance": (("seed", "step", "layer", "estimator"), scatter(padded)[..., None] ** 2 / 4),
            "backprop_gradient_variance": (("seed", "step", "layer", "estimator"), scatter(padded)[..., None]),
            "batch_weight_gradient_variance": (("seed", "step", "layer", "estimator"), scatter(padded)[..., None]),
            "activation_quantile": (("seed", "step", "layer", "quantile"), scatter(padded)[..., None]),
        },
        coords={"step": steps, "quantile": [0.98], "estimator": ["pooled"]},
        attrs={"updates": float(updates)},
    )


def histograms(shares, updates=5_000_000):
    """Histograms of activations of one hidden layer from shares of (|z| < 0.5, 0.5 to 0.9, 0.9 to 0.95, beyond)."""
    edges = np.array([-1, -0.95, -0.9, -0.5, 0.5, 0.9, 0.95, 1.0])
    inner, knees, upper, beyond = shares
    counts = np.array([beyond / 2, upper / 2, knees / 2, inner, knees / 2, upper / 2, beyond / 2]) * 1000
    rows = np.stack([scatter(counts), np.full((SEEDS, len(counts)), np.nan)], axis=1)
    return xr.Dataset(
        {
            "activation_count": (("seed", "layer", "bin"), rows),
            "activation_edge": (("seed", "layer", "edge"), np.broadcast_to(edges, (SEEDS, 2, len(edges)))),
        },
        attrs={"updates": float(updates)},
    )
