"""gl.coordinate_check: healthy networks are called so, planted faults are found and named, bad input is one line."""

import re

import numpy as np
import pytest
from scipy.special import ndtri

import glorotlab as gl
from glorotlab.errors import DivergedError, InvalidValueError, UnknownNameError
from glorotlab.scaling.parametrization import MUP, STANDARD
from glorotlab.scaling.scaled_network import scaled_network

SPEC = gl.NetworkSpec.parse("12,32x2,4", initializer="lecun_normal")
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(16, 12)), np.arange(16) % 4
FAST = {"widths": (32, 64, 128, 256), "steps": 2, "learning_rate": 0.1}
SURE = FAST | {"level": 1 - 1e-6, "seeds": 10}
"""A healthy network is outside a band once in a million checks; faults are found all the same."""

pytestmark = pytest.mark.usefixtures("one_thread")


def made(record, **powers):
    """Return a function that makes networks of a parametrization, whose rates of a layer are off by a power."""

    def make(width, seed):
        network = scaled_network(SPEC, width, 32, record).draw(seed, "float32")
        state = network.state()
        rates = [state.get(f"weight_rate_{layer}", np.ones_like(state[f"weight_{layer}"])) for layer in (1, 2, 3)]
        biases = [state.get(f"bias_rate_{layer}", np.ones_like(state[f"bias_{layer}"])) for layer in (1, 2, 3)]
        for place, role in enumerate(("input", "hidden", "output")):
            rates[place] *= np.float32((width / 32) ** powers.get(role, 0))
        network.set_rates(rates, biases)
        return network

    return make


def wrong_fan(width, seed):
    return gl.Network(gl.NetworkSpec.parse(f"12,{width}x2,4", initializer="variance_scaling(mode=fan_out)"), seed)


HEALTHY = {
    "standard": (SPEC, {"parametrization": "standard"}),
    "mup": (SPEC, {"parametrization": "mup"}),
    "an output layer that starts at 0": (SPEC, {"parametrization": "mup", "zero_output": True}),
    "an initializer of another law": ("12,32x2,4", {"parametrization": "standard"}),
    "ReLU": (
        gl.NetworkSpec.parse("12,32x2,4", activation="relu", initializer="he_uniform"),
        {"parametrization": "mup"},
    ),
    "orthogonal": (gl.NetworkSpec.parse("12,32x2,4", initializer="orthogonal"), {"parametrization": "mup"}),
    "one's own mup": (made(MUP), {"parametrization": "mup"}),
    "one's own standard": (made(STANDARD), {"parametrization": "standard"}),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_networks_are_inside_all_bands(name, test_seed):
    """Fails for a correct program once in a million; the faults below are the other error."""
    model, options = HEALTHY[name]
    check = gl.coordinate_check(model, X, Y, first_seed=10_000 * test_seed, **SURE | options)
    assert check.healthy, check.summary
    assert all(verdict.inside for verdict in check.select(0) + check.select(1))


FAULTS = {
    "standard called mup": (
        made(STANDARD),
        "mup",
        0,
        "output layer",
        r"initial variance goes as n\^-(1|0\.9)\.?\d?, mup",
    ),
    "mup called standard": (
        made(MUP),
        "standard",
        0,
        "output layer",
        r"initial variance goes as n\^-(2|1\.9)\.?\d?, st",
    ),
    "rate of outputs": (made(MUP, output=1), "mup", 1, "output layer", r"its learning rate is not scaled as n\^-1$"),
    "rate of inputs": (made(MUP, input=-1), "mup", 1, "layer 1", r"its learning rate is not scaled as n\^1$"),
    "rate of a hidden layer": (made(MUP, hidden=1), "mup", 1, "layer 2", "its learning rate scales with the width$"),
    "wrong fan": (
        wrong_fan,
        "standard",
        0,
        "layer 1",
        r"its initial variance goes as n\^-(1|0\.9)\.?\d?, standard has n\^0",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_named(name, test_seed):
    """At the rate of false alarms of the test above; the exponents are off by 6 times their reach and more."""
    model, parametrization, update, layer, cause = FAULTS[name]
    check = gl.coordinate_check(model, X, Y, first_seed=10_000 * test_seed, parametrization=parametrization, **SURE)
    first = check.outside[0]
    assert (first.update, first.name) == (update, layer)
    assert re.search(cause, first.text)
    assert sum("its initial" in verdict.text or "its learning" in verdict.text for verdict in check.verdicts) == 1


def test_bands_that_tell_nothing_are_said_to_be_so():
    """Two networks of a width have one degree of freedom each."""
    check = gl.coordinate_check(SPEC, X, Y, parametrization="mup", seeds=2, **FAST)
    wide = [verdict for verdict in check.verdicts if not verdict.decisive]
    assert {verdict.update for verdict in wide} >= {1, 2}
    assert f"{len(wide)} of them in bands that do not tell n^0 from n^0.5" in check.summary
    assert wide[0].text.endswith("take more seeds")
    assert all(verdict.decisive for verdict in check.select(0)[:2])  # whose scatter is known


def test_all_bands_share_the_level():
    """Six bands have a part of .01 each, and nine a smaller one."""
    bands = []
    for steps in (1, 2):
        options = FAST | {"steps": steps, "seeds": 2, "parametrization": "mup"}
        verdict = gl.coordinate_check(SPEC, X, Y, **options).select(0)[1]
        bands.append(verdict.band[1])
    wider = verdict.standard_error * (ndtri(1 - 0.01 / 18) - ndtri(1 - 0.01 / 12))
    assert bands[1] - bands[0] == pytest.approx(wider)


def test_what_is_exactly_0_has_no_exponent_and_is_said():
    check = gl.coordinate_check(SPEC, X, Y, parametrization="mup", zero_output=True, **FAST)
    output, first, later = check.select(0)[-1], check.select(1), check.select(2)
    assert (output.inside, np.isnan(output.exponent)) == (True, True)
    assert output.text == "output layer is exactly 0, as expected"
    assert [np.isnan(verdict.exponent) for verdict in first] == [True, True, False]
    assert first[0].text.startswith("layer 1 changes by exactly 0 after update 1, as expected")
    assert not np.isnan([verdict.exponent for verdict in later]).any()


@pytest.mark.parametrize("widest", [32, 0])
def test_a_layer_that_is_not_trained_has_no_exponent(widest):
    """Trained at the least width alone it is outside; trained at none its factors of 0 are expected to stay so."""

    def make(width, seed):
        network = made(MUP)(width, seed)
        state = network.state()
        for name in ("weight_rate_1", "bias_rate_1"):
            state[name] *= width <= widest
        network.load_state(state)
        return network

    check = gl.coordinate_check(make, X, Y, parametrization="mup", **FAST)
    verdict = check.select(1)[0]
    assert verdict.inside == (widest == 0)
    assert verdict.text == "layer 1 changes by exactly 0 " + (
        "at width 64 after update 1: no exponent" if widest else "after update 1, as expected"
    )


def test_a_first_update_beyond_the_first_order_has_no_expectation():
    check = gl.coordinate_check(SPEC, X, Y, **FAST | {"learning_rate": 30})
    assert check.select(1)[0].inside is not None  # whose change is linear
    assert "take a smaller one" in check.select(1)[-1].text
    assert check.select(1)[-1].inside is None


def test_sizes_are_those_of_the_networks():
    """Update 0 of one network and its change, from its own passes."""
    check = gl.coordinate_check(SPEC, X, Y, parametrization="mup", seeds=2, **FAST)
    assert check.coordinate.shape == check.change.shape == (3, 3, 4, 2)
    network = scaled_network(SPEC, 64, 32, MUP).draw(1 + 4, "float32")  # the second seed of the second width
    before = network.forward(X).preactivations
    network.train_step(X, Y, 0.1)
    after = network.forward(X).preactivations
    for layer in range(3):
        size = np.sqrt((before[layer].astype(float) ** 2).mean())
        change = np.sqrt(((after[layer] - before[layer]).astype(float) ** 2).mean())
        np.testing.assert_allclose(check.coordinate[0, layer, 1, 1], size, rtol=1e-5)
        np.testing.assert_allclose(check.change[1, layer, 1, 1], change, rtol=1e-4)
    assert not check.change[0].any()


def test_tables_and_pictures():
    check = gl.coordinate_check(made(MUP, output=1), X, Y, parametrization="mup", **FAST)
    table = check.to_markdown().splitlines()
    assert table[0].split(" | ")[2:4] == ["exponent", "standard error"]
    assert len([line for line in table if line.startswith("| layer 1")]) == 3
    assert check._repr_markdown_() == check.to_markdown()
    assert "outside" not in check.to_markdown()
    assert "Coordinate check, mup, widths 32, 64, 128, 256" in check._repr_html_()
    (ax,) = gl.plot(check).axes
    markers = [line.get_marker() for line in ax.lines if line.get_linestyle() == "None"]
    assert markers == ["o", "o", "x"]
    np.testing.assert_allclose(ax.lines[1].get_ydata(), check.select(1)[0].curve)
    assert "n^" in ax.get_legend().get_texts()[0].get_text()
    assert gl.plot(check, variable="coordinate").axes[0].get_ylabel().startswith("pre-activations")
    with pytest.raises(InvalidValueError, match="variable 'x' of a CoordinateCheck: allowed are coordinate, change"):
        gl.plot(check, variable="x")


def test_progress_counts_networks():
    seen = []
    gl.coordinate_check(SPEC, X, Y, seeds=2, progress=lambda *counts: seen.append(counts), **FAST)
    assert seen == [(done, 8) for done in range(9)]


EXPLODES = gl.NetworkSpec.parse("12,32x2,4", activation="relu", output="linear")


def no_seed(width):
    return gl.Network([12, width, 4])


def other(width, seed):
    return gl.Network([12, width, 4], seed) if width < 64 else "a network"


BAD = {
    "two widths": ({"widths": (64, 128)}, InvalidValueError, r"widths \[64, 128\]: allowed are three or more"),
    "widths that fall": ({"widths": (64, 128, 128)}, InvalidValueError, "width 128 after 128: allowed are widths that"),
    "a width of text": ({"widths": "64"}, InvalidValueError, "widths '64': allowed are three"),
    "a width of 1.5": ({"widths": (1.5, 64, 128)}, InvalidValueError, "width 1.5: allowed are whole numbers"),
    "no steps": ({"steps": 0}, InvalidValueError, "steps 0: allowed are whole numbers from 1"),
    "one seed": ({"seeds": 1}, InvalidValueError, "seeds 1: allowed are whole numbers from 2"),
    "another parametrization": ({"parametrization": "ntk"}, UnknownNameError, "unknown parametrization 'ntk'"),
    "another optimizer": ({"optimizer": "lion"}, UnknownNameError, "unknown optimizer 'lion'"),
    "adam": ({"optimizer": "adam"}, InvalidValueError, "optimizer 'adam' of a Network: allowed is 'sgd'"),
    "a loss": ({"loss": abs}, InvalidValueError, "of a Network: allowed is None"),
    "a level of 1": ({"level": 1}, InvalidValueError, "level 1: allowed are numbers between 0 and 1"),
    "no rate": ({"learning_rate": 0.0}, InvalidValueError, "learning_rate 0.0: allowed are numbers above 0"),
    "no hidden layer": ({"model": "12,4"}, InvalidValueError, "layers 12,4: allowed are networks with a hidden layer"),
    "a layer of no unit": ({"model": "12,999x2,1,4"}, InvalidValueError, "a hidden layer would have no unit"),
    "other inputs": ({"inputs": X[:, :5]}, InvalidValueError, r"inputs of shape \(16, 5\)"),
    "NaN": ({"inputs": np.where(X > 2, np.nan, X)}, InvalidValueError, "is nan: allowed are finite"),
    "a rate that diverges": ({"learning_rate": 1e6, "model": EXPLODES, "steps": 9}, DivergedError, "take a smaller"),
    "a network": ({"model": gl.Network(SPEC)}, InvalidValueError, "network of type Network: allowed is a NetworkSpec"),
    "a function without seed": ({"model": no_seed}, InvalidValueError, r"allowed is make\(width, seed\)"),
    "no width": ({"model": lambda width, seed: gl.Network(SPEC, seed)}, InvalidValueError, "it ignores the width"),
    "another thing": ({"model": other}, InvalidValueError, "what the function makes at width 64 of type str"),
    "inputs that grow": (
        {"model": lambda width, seed: gl.Network([12, width, width], seed)},
        InvalidValueError,
        "allowed are networks of which hidden layers alone grow",
    ),
    "a base of a function": (
        {"model": wrong_fan, "base_width": 64},
        InvalidValueError,
        "zero_output or base_width with",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(name):
    options, kind, message = BAD[name]
    given = FAST | {"model": SPEC, "inputs": X, "labels": Y, "seeds": 2} | options
    with pytest.raises(kind, match=message) as caught:
        gl.coordinate_check(**given)
    assert "\n" not in str(caught.value)
