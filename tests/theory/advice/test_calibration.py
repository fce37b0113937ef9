"""The scripts that calibrate the probability: draws, runs, logistic regression, scores, and coefficients we ship."""

import csv
from pathlib import Path

import numpy as np
import pytest
from benchmark_scripts import benchmark
from scipy import optimize, stats

import glorotlab as gl
from glorotlab.theory.advice import calibration

regression = benchmark("logistic_regression")


# Logistic regression and the scores


def sample(n=400, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    log_odds = 0.5 + x @ [2.0, -1.0, 0.0]
    return x, (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(float)


@pytest.mark.parametrize("ridge", [0.1, 10.0])
def test_the_fit_is_the_maximum(ridge):
    """SciPy's BFGS on the penalised likelihood, written down once more, finds the same."""
    x, y = sample()

    def loss(beta):
        z = beta[0] + x @ beta[1:]
        return -(y * z - np.log1p(np.exp(z))).sum() + ridge / 2 * (beta[1:] ** 2).sum()

    best = optimize.minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-8}).x
    np.testing.assert_allclose(regression.fit(x, y, ridge), best, atol=1e-5)


def test_separated_classes_have_a_fit():
    x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    beta = regression.fit(x, np.array([0.0, 0, 1, 1]), 0.1)
    assert np.isfinite(beta).all()
    assert beta[1] > 1


def test_auroc_is_the_rank_statistic():
    x, y = sample(100)
    p = np.round(regression.probabilities(x[:, 0]), 1)  # with ties
    u = stats.mannwhitneyu(p[y == 1], p[y == 0]).statistic
    assert regression.auroc(p, y) == pytest.approx(u / (y.sum() * (1 - y).sum()))


def test_scores_by_hand():
    p, y = np.array([0.1, 0.15, 0.9, 1.0]), np.array([0.0, 1, 1, 1])
    assert regression.brier(p, y) == pytest.approx((0.01 + 0.7225 + 0.01) / 4)
    rows = list(regression.reliability(p, y))
    assert [row[:3] for row in rows] == [(0.1, 0.2, 2), (0.9, 1.0, 2)]
    assert [row[3:] for row in rows] == [pytest.approx((0.125, 0.5)), pytest.approx((0.95, 1))]
    assert regression.calibration_error(p, y) == pytest.approx((2 * 0.375 + 2 * 0.05) / 4)


# Draws and runs


@pytest.fixture
def scripts(monkeypatch):
    """The scripts as they import each other, on Shapeset alone, with few updates."""
    script = benchmark("trainability")
    networks, runs = (__import__(name) for name in ("trainability_networks", "trainability_runs"))
    monkeypatch.setattr(networks, "DATA", ("shapeset",))
    monkeypatch.setattr(networks, "MAX_PARAMETERS", 60_000)
    monkeypatch.setattr(runs, "UPDATES", 50)
    monkeypatch.setattr(runs, "MAX_RATES", 3)
    monkeypatch.setattr(runs, "FIRST", range(2))
    return script, networks, runs


def test_draws(scripts):
    """A network is a function of seed and number, small enough, and its centered data have mean 0 and mean square 1."""
    _, networks, _ = scripts
    drawn = [networks.draw(0, number) for number in range(40)]
    assert drawn[3] == networks.draw(0, 3)
    assert drawn[3].spec != networks.draw(1, 3).spec
    for network in drawn:
        assert sum(a * b for a, b in network.spec.fans) <= 60_000
        assert 2 <= len(network.spec.layer_sizes) - 2 <= 40
        assert all(30 <= width <= 300 for width in network.spec.layer_sizes[1:-1])
        if network.centred:
            x, _ = network.examples()
            assert (x**2).mean() == pytest.approx(1, rel=1e-4)
            np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-4)
    assert any(network.centred for network in drawn)


def test_the_pipeline_in_small(scripts, tmp_path, capsys):
    """Runs are written once and continued; the fit to nine of them prints every coefficient."""
    script, _, runs = scripts
    path = tmp_path / "runs.csv"
    runs.main(str(path), "--networks", "4")
    first = path.read_text()
    runs.main(str(path), "--networks", "9")
    assert path.read_text().startswith(first)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {int(row["number"]) for row in rows} == set(range(9))
    capsys.readouterr()
    script.main(str(path), "--share", "0.01")
    said = capsys.readouterr().out
    for name in calibration.COEFFICIENTS:
        assert f'"{name}": Coefficient(' in said
    assert "held out: recommended" in said


def test_runs_end_where_nothing_is_left_to_see(scripts):
    """A rate that explodes is not stable and wrong everywhere; costs of one that ends early are the last one."""
    _, networks, runs = scripts
    drawn = networks.Drawn(0, "shapeset", False, gl.NetworkSpec.parse("1024,30x2,9", activation="relu"))
    row = runs.run(drawn, 12)
    costs = [row[f"cost_{part}"] for part in range(1, 11)]
    assert costs[-1] == costs[-2]
    assert not costs[-1] <= 2 * row["beginning"]
    sound = runs.run(drawn, -3)
    assert runs.key(sound) < runs.key(row)
    assert sound["error"] < sound["chance"] + 0.05


# What we ship
TABLE = Path(__file__).parents[2] / "fixtures" / "calibration.csv"
"""What ``trainability.py --table`` wrote of the runs that the shipped coefficients come from."""


@pytest.fixture(scope="module")
def table():
    """Predictors, whether networks train and are held out, and the rows that theory does not refuse."""
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0] if name != "family"}
    columns["family"] = np.array([row["family"] for row in rows])
    columns["known"] = np.isfinite(columns["updates"])
    return columns


def deviations(table):
    rows = np.column_stack([table[name] for name in calibration.COEFFICIENTS])
    coefficients = calibration.COEFFICIENTS.values()
    mean, deviation = (np.array([getattr(one, part) for one in coefficients]) for part in ("mean", "deviation"))
    return np.clip((rows - mean) / deviation, -calibration.FARTHEST, calibration.FARTHEST)


def test_shipped_coefficients_are_the_fit(table):
    """BFGS on the families that are not held out gives them, to the digits that are kept."""
    fitted = table["known"] & (table["held_out"] == 0)
    x, y = deviations(table)[fitted], table["trains"][fitted]
    beta = regression.fit(x, y, benchmark("trainability").RIDGE)
    assert beta[0] == pytest.approx(calibration.INTERCEPT, rel=0.01)
    for own, (name, coefficient) in zip(beta[1:], calibration.COEFFICIENTS.items(), strict=True):
        assert own == pytest.approx(coefficient.log_odds, rel=0.01), name
        assert table[name][fitted].mean() == pytest.approx(coefficient.mean, rel=0.01, abs=0.01)
        assert table[name][fitted].std() == pytest.approx(coefficient.deviation, rel=0.01)


def test_shipped_scores_are_those_of_the_held_out_families(table):
    """No family is on both sides; the scores that the advice prints are those of the held-out side."""
    out = table["held_out"] == 1
    assert not set(table["family"][out]) & set(table["family"][~out])
    log_odds = calibration.INTERCEPT + deviations(table) @ [c.log_odds for c in calibration.COEFFICIENTS.values()]
    p = np.where(table["known"], regression.probabilities(np.nan_to_num(log_odds)), calibration.REFUSED)
    y = table["trains"]
    assert len(y) == calibration.NETWORKS
    assert regression.auroc(p[out], y[out]) == pytest.approx(calibration.AUROC, abs=0.002)
    assert regression.calibration_error(p[out], y[out]) == pytest.approx(calibration.CALIBRATION_ERROR, abs=0.005)
    refused = ~table["known"] & ~out
    assert pytest.approx((y[refused].sum() + 0.5) / (refused.sum() + 1), rel=0.05) == calibration.REFUSED


def test_the_shipped_rate_is_the_fit(table):
    """Least squares in powers of ten on networks that train."""
    fitted = table["known"] & (table["held_out"] == 0) & (table["trains"] == 1)
    logs = [np.log10(table[name][fitted]) for name in ("curvature", "hidden_layers", "growth")]
    beta = np.linalg.lstsq(np.column_stack([np.ones(fitted.sum()), *logs]), table["best"][fitted], rcond=None)[0]
    rate = calibration.RATE
    assert 10 ** beta[0] == pytest.approx(rate.constant, rel=0.01)
    np.testing.assert_allclose(beta[1:], [rate.curvature, rate.depth, rate.growth], atol=0.005)
