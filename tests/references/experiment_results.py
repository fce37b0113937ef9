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
    jacobian_networks=2,
    trained_width=30,
    trained_networks=2,
    updates=12,
    test_examples=20,
    records=3,
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


def initialization(tensor, standard, normalised, predicted=None):
    """Results of figures 6, 7 and 8."""
    found = {}
    for name, spreads in (("standard", standard), ("normalised", normalised)):
        found[f"{name}_measured"], found[f"{name}_predicted"] = initialized(tensor, spreads, predicted)
    return found


def curves(errors, updates=5_000_000):
    """Error curves: from chance to a final error, per network name."""
    found = {}
    for name, error in errors.items():
        rows = np.stack([np.full(SEEDS, 0.83), scatter(error)], axis=1)
        found[f"{name}_curves"] = xr.Dataset(
            {"test_error": (("seed", "step"), rows)}, coords={"step": [0.0, updates]}, attrs={"network": "1024,6x5,9"}
        )
    return found


def statistics(means=None, percentiles=None, backprop=None, updates=5_000_000):
    """Statistics over steps, (step, layer) each, the output layer added as not a number."""
    rows = np.asarray(next(values for values in (means, percentiles, backprop) if values is not None), dtype=float)
    padded = np.concatenate([rows, np.full((len(rows), 1), np.nan)], axis=1)
    steps = np.linspace(0, updates, len(rows))
    return xr.Dataset(
        {
            "activation_mean": (("seed", "step", "layer"), scatter(padded)),
            "activation_variance": (("seed", "step", "layer", "estimator"), scatter(padded)[..., None] ** 2 / 4),
            "backprop_gradient_variance": (("seed", "step", "layer", "estimator"), scatter(padded)[..., None]),
            "activation_quantile": (("seed", "step", "layer", "quantile"), scatter(padded)[..., None]),
        },
        coords={"step": steps, "quantile": [0.98], "estimator": ["pooled"]},
    )
