"""Momentum that changes over updates, against Sutskever's equations in his variables; the same bits after a stop."""

import math

import numpy as np
import pytest
from training_fixtures import bits, finite, run_spec, stop_after

from glorotlab.errors import InvalidValueError
from glorotlab.network.mlp import Network
from glorotlab.spec import momentum
from glorotlab.spec.training import TrainingSpec
from glorotlab.training.batches import Batches
from glorotlab.training.loop import train
from glorotlab.training.runs.run import load_run

PERIOD = 6
"""Updates between two steps of the schedule in these tests, so that 23 updates have four momenta."""

SCHEDULED = {"momentum": 0.8, "momentum_schedule": "sutskever", "final_momentum_updates": 4, "final_momentum": 0.3}


@pytest.fixture
def short_period(monkeypatch):
    monkeypatch.setattr(momentum, "PERIOD", PERIOD)


@pytest.mark.parametrize("largest", [0.9, 0.99, 0.999])
def test_the_schedule_is_that_of_the_paper(largest):
    """As printed: mu_t = min(1 - 2^(-1 - log2(floor(t / 250) + 1)), mu_max)."""
    training = TrainingSpec(updates=200_000, momentum=largest, momentum_schedule="sutskever")
    for t in (0, 249, 250, 251, 499, 500, 1249, 1250, 12_499, 12_500, 124_999, 125_000, 199_999):
        expected = min(1 - 2 ** (-1 - math.log2(t // 250 + 1)), largest)
        assert training.momentum_at(t) == pytest.approx(expected, rel=1e-14)
        later = t + training.updates_of_rule(t)
        assert later > t
        assert training.momentum_at(later - 1) == training.momentum_at(t)
        assert later == training.updates or training.momentum_at(later) != training.momentum_at(t)


def test_the_momentum_falls_back_for_the_last_updates():
    training = TrainingSpec(updates=600, momentum=0.99, final_momentum_updates=100)
    momenta = [training.rule_at(t).momentum for t in (0, 499, 500, 599)]
    assert momenta == [0.99, 0.99, 0.9, 0.9]
    rising = TrainingSpec(updates=600, momentum=0.99, momentum_schedule="sutskever", final_momentum_updates=400)
    assert [rising.momentum_at(t) for t in (0, 199, 200, 250, 599)] == [0.5, 0.5, 0.5, 0.75, 1 - 1 / 6]
    assert [rising.updates_of_rule(t) for t in (0, 200, 599)] == [200, 50, 1]
    assert training.updates_of_rule(0) == 500
    assert training.updates_of_rule(520) == 80


def in_the_papers_variables(spec, data, mu):
    """theta and v after every update of eqs. 1 and 2, or 3 and 4: gradients are another network's, at the point asked.

    Returns the point where the last gradient's update has led: theta, or theta + mu v with Nesterov's.
    """
    training, batches = spec.training, Batches(data.train, spec.training, spec.seed)
    network = Network(spec.network, seed=spec.seed, dtype=spec.dtype)
    parameters = [*network.weights, *network.biases]
    theta = [array.copy() for array in parameters]
    v = [np.zeros_like(array) for array in theta]
    for t in range(training.updates):
        ahead = mu[t] if training.nesterov else 0.0
        for own, place, velocity in zip(parameters, theta, v, strict=True):
            own[...] = place + ahead * velocity
        gradients = network.gradients(*batches.batch(t))
        steps = [*gradients.weights, *gradients.biases]
        v = [mu[t] * velocity - training.learning_rate * g for velocity, g in zip(v, steps, strict=True)]
        theta = [place + velocity for place, velocity in zip(theta, v, strict=True)]
    ahead = mu[-1] if training.nesterov else 0.0
    return [place + ahead * velocity for place, velocity in zip(theta, v, strict=True)]


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.usefixtures("short_period")
def test_runs_follow_the_papers_equations(nesterov):
    """In 23 updates the momentum rises, is capped and falls back; l2 would enter the gradient alike."""
    spec, data = run_spec(dtype="float64", nesterov=nesterov, **SCHEDULED), finite()
    mu = [min(1 - 1 / (2 * (t // PERIOD + 1)), 0.8) for t in range(19)] + [0.3] * 4  # 0.5, 0.75, 0.8, 0.8, 0.3
    assert len(set(mu)) == 4
    expected = in_the_papers_variables(spec, data, mu)
    weights = train(spec, dataset=data).weights
    names = [f"{kind}_{layer}" for kind in ("weight", "bias") for layer in (1, 2, 3)]
    for name, array in zip(names, expected, strict=True):
        np.testing.assert_allclose(weights[name], array, rtol=1e-11, atol=1e-13)


@pytest.mark.usefixtures("short_period", "each_update_reported")
def test_a_run_stopped_where_its_momentum_changes_ends_bit_identical(tmp_path):
    spec = run_spec(nesterov=True, **SCHEDULED)
    expected = bits(train(spec, dataset=finite()))
    for stop in (5, 6, 7, 12, 18, 19, 20):
        with pytest.raises(KeyboardInterrupt):
            train(spec, tmp_path / "run", dataset=finite(), progress=stop_after(stop))
    run = train(spec, tmp_path / "run", dataset=finite())
    assert bits(run) == bits(load_run(tmp_path / "run")) == expected
    assert bits(train(run_spec(nesterov=True, momentum=0.8), dataset=finite())) != expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"momentum_schedule": "sutskever"}, "momentum_schedule 'sutskever' with momentum 0: it has no effect"),
        ({"final_momentum_updates": 3}, "final_momentum_updates 3 with momentum 0: it has no effect"),
        ({"momentum": 0.5, "final_momentum": 0.2}, "final_momentum 0.2 with final_momentum_updates 0: it has no"),
        ({"momentum": 0.95, "final_momentum_updates": 11}, "final_momentum_updates 11: allowed are 0 to 10, all upd"),
        ({"momentum": 0.5, "final_momentum_updates": 3}, "final_momentum 0.9 with momentum 0.5: allowed is at most"),
        ({"momentum": 0.5, "momentum_schedule": "cosine"}, "momentum_schedule 'cosine': input should be 'constant' or"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(fields, message):
    with pytest.raises(InvalidValueError) as caught:
        TrainingSpec(updates=10, **fields)
    assert str(caught.value).startswith(message)


def test_specs_without_a_schedule_are_named_as_before():
    text = TrainingSpec(updates=10, momentum=0.5).canonical_json()
    assert "final" not in text
    assert "schedule" not in text
    assert "schedule" in TrainingSpec(updates=10, momentum=0.5, momentum_schedule="sutskever").canonical_json()
