"""compare on hand-made datasets whose ratios, standard errors and z-scores are known."""

import math

import numpy as np
import pytest

from glorotlab.errors import InvalidValueError
from glorotlab.measurement.compare import SECOND_MOMENTS, compare
from glorotlab.measurement.measure import measure
from glorotlab.schema import VARIABLES, layer_statistics
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.predict import predict

SPEC = NetworkSpec.parse("4,3,2")


def prediction(spec=SPEC, examples=5, **values):
    return layer_statistics(values, attributes={"spec": spec.model_dump(mode="json"), "examples": examples})


def measurement(spec=SPEC, examples=5, **values):
    seeds = len(next(iter(values.values())))
    return layer_statistics(
        values,
        leading=("seed",),
        coords={"seed": np.arange(seeds)},
        attributes={"spec": spec.model_dump(mode="json"), "examples": examples},
    )


def test_ratio_standard_error_and_z():
    """Seeds 1, 2, 3 have mean 2 and standard error 1/sqrt 3."""
    table = compare(
        prediction(activation_second_moment=[1.6, 4.0]),
        measurement(activation_second_moment=[[1.0, 4.0], [2.0, 4.0], [3.0, 4.0]]),
    )
    first, second = table.select("activation_second_moment")
    assert (first.layer, first.predicted, first.measured) == (1, 1.6, 2.0)
    assert first.ratio == pytest.approx(1.25)
    assert first.standard_error == pytest.approx(1 / math.sqrt(3))
    assert first.ratio_error == pytest.approx(1 / math.sqrt(3) / 1.6)
    assert first.z_score == pytest.approx(0.4 * math.sqrt(3))
    assert (first.low, first.high, first.inside_band) == (None, None, None)
    assert (second.layer, second.ratio, second.standard_error, second.z_score) == (2, 1.0, 0.0, None)


def test_one_seed_has_no_standard_error_and_a_prediction_of_0_no_ratio():
    one = compare(prediction(activation_mean=[0.0, 2.0]), measurement(activation_mean=[[0.5, 1.0]])).entries
    assert [(e.ratio, e.standard_error, e.z_score, e.ratio_error) for e in one] == [
        (None, None, None, None),
        (0.5, None, None, None),
    ]


def test_a_measurement_without_seeds_and_pooled_variances():
    predicted = prediction(activation_variance=[1.0, 2.0])
    assert predicted["activation_variance"].dims == ("layer", "estimator")
    table = compare(predicted, prediction(activation_variance=[3.0, 1.0]))
    assert [entry.ratio for entry in table.select("activation_variance")] == [3.0, 0.5]


def test_bands():
    predicted = prediction(
        activation_second_moment=[1.0, 1.0],
        activation_second_moment_low=[0.5, 0.5],
        activation_second_moment_high=[1.5, 1.5],
    )
    table = compare(predicted, measurement(activation_second_moment=[[0.6, 0.6], [1.4, 1.6]]))
    assert [(e.low, e.high, e.inside_band) for e in table.entries] == [(0.5, 1.5, True), (0.5, 1.5, False)]


def test_a_band_of_the_mean_of_as_many_networks_judges_their_mean():
    bands = {"activation_second_moment_low": [0.5, 0.5], "activation_second_moment_high": [1.5, 1.5]}
    predicted = prediction(activation_second_moment=[1.0, 1.0], **bands)
    measured = measurement(activation_second_moment=[[0.4, 1.5], [1.4, 1.6]])
    for networks, inside in ((1, [False, False]), (2, [True, False])):
        table = compare(predicted.assign_attrs(networks=networks), measured)
        assert [entry.inside_band for entry in table.entries] == inside


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("predicted", [-3.0, 0.0, 2.0])
def test_without_a_band_the_verdict_is_two_standard_errors_and_the_slack(predicted, sign):
    """Means just inside and just outside 2 standard errors + 1.5 % of the prediction, from two networks."""
    error = 0.01
    edge = 2 * error + 0.015 * abs(predicted)
    for factor, verdict in ((0.999, "agrees"), (1.001, "differs")):
        mean = predicted + sign * factor * edge
        values = [[mean - error, 1.0], [mean + error, 1.0]]  # a standard error of the mean of 0.01
        table = compare(prediction(activation_mean=[predicted, 1.0]), measurement(activation_mean=values))
        assert [entry.verdict for entry in table.entries] == [verdict, "agrees"]


def measured_of_float32(**values):
    fans = {"fan_in": [4.0, 3.0], "fan_out": [3.0, 2.0]}
    dataset = measurement(**values).assign_attrs(dtype="float32")
    return dataset.assign({name: ("layer", fan) for name, fan in fans.items()})


def test_a_share_is_not_told_from_what_so_few_samples_do_not_show():
    """Of 2 networks, 5 examples and 3 or 2 units none is: 3 / 30 and 3 / 20 would show none in 5 % of cases."""
    measured = measured_of_float32(activation_saturation=[[0.0, 0.0]] * 2)
    for shares, verdicts in (([0.099, 0.149], ["agrees"] * 2), ([0.101, 0.151], ["differs"] * 2)):
        table = compare(prediction(activation_saturation=shares), measured)
        assert [entry.verdict for entry in table.entries] == verdicts
    assert [entry.resolution for entry in table.entries] == pytest.approx([0.1, 0.15])


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_mean_is_not_told_from_0_below_the_rounding_of_its_tensor(sign):
    """Elements of root mean square 4 are known to 4 * 2**-23 in float32, and variances to 16 * 2**-23."""
    for factor, verdict in ((0.99, "agrees"), (1.01, "differs")):
        rounding = factor * 2.0**-23
        measured = measured_of_float32(
            batch_weight_gradient_mean=[[sign * 4 * rounding] * 2] * 2,
            batch_weight_gradient_variance=[[16 * rounding] * 2] * 2,
            batch_weight_gradient_second_moment=[[16.0, 16.0]] * 2,
        )
        predicted = prediction(batch_weight_gradient_mean=[0.0] * 2, batch_weight_gradient_variance=[0.0] * 2)
        assert {entry.verdict for entry in compare(predicted, measured).entries} == {verdict}


def test_what_rounds_to_0_in_real_networks_does_not_differ():
    """A softmax layer's gradients sum to 0 over its outputs; hardly any unit is saturated at initialization."""
    x, y = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 3
    table = compare(predict("4,60x3,3", x, y), measure("4,60x3,3", x, y, seeds=8))
    zero = [entry for entry in table.entries if not entry.measured or not entry.predicted]
    tiny = [entry for entry in table.select("activation_saturation") if not entry.measured]
    assert tiny
    assert {entry.verdict for entry in tiny} == {"agrees"}
    last = [entry for entry in zero if entry.layer == 4 and entry.variable.endswith("gradient_mean")]
    assert last
    assert {entry.verdict for entry in last} == {"agrees"}


def test_a_band_of_the_mean_decides_alone():
    """The first mean lies outside a narrow band and within 1.5 %; the second inside a wide one, 20 errors away."""
    bands = {"activation_second_moment_low": [0.999, 0.5], "activation_second_moment_high": [1.001, 1.5]}
    predicted = prediction(activation_second_moment=[1.0, 1.0], **bands).assign_attrs(networks=2)
    table = compare(predicted, measurement(activation_second_moment=[[1.005, 1.19], [1.005, 1.21]]))
    assert [(entry.inside_band, entry.verdict) for entry in table.entries] == [(False, "differs"), (True, "agrees")]
    of_one = compare(predicted.assign_attrs(networks=1), measurement(activation_second_moment=[[1.005, 1.005]] * 3))
    assert [entry.verdict for entry in of_one.entries] == ["agrees", "agrees"]  # the second: by the slack


def test_one_network_has_a_verdict_by_its_band_alone():
    measured = measurement(activation_second_moment=[[1.2, 1.2]])
    assert {entry.verdict for entry in compare(prediction(activation_second_moment=[1, 1]), measured).entries} == {None}
    bands = {"activation_second_moment_low": [0.5, 0.5], "activation_second_moment_high": [1.5, 1.1]}
    predicted = prediction(activation_second_moment=[1.0, 1.0], **bands).assign_attrs(networks=1)
    assert [entry.verdict for entry in compare(predicted, measured).entries] == ["agrees", "differs"]


def test_nan_and_unshared_variables_are_left_out():
    table = compare(
        prediction(activation_second_moment=[1.0, np.nan], activation_mean=[1.0, 1.0], learning_speed=[1.0, 1.0]),
        measurement(activation_second_moment=[[1.0, 1.0]], activation_mean=[[np.nan, 1.0]]),
    )
    assert [(e.variable, e.layer) for e in table.entries] == [("activation_mean", 2), ("activation_second_moment", 1)]
    assert table.select("learning_speed") == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spec": NetworkSpec.parse("4,3,3")}, r"spec .*\[4, 3, 2\].* predicted, .*\[4, 3, 3\].* measured"),
        ({"spec": NetworkSpec.parse("4,3,2", activation="relu")}, "tanh.*relu"),
        ({"examples": 6}, "examples 5 predicted, 6 measured"),
    ],
)
def test_what_does_not_belong_together_is_refused(changes, message):
    with pytest.raises(InvalidValueError, match=message) as caught:
        compare(prediction(activation_mean=[1.0, 1.0]), measurement(**changes, activation_mean=[[1.0, 1.0]]))
    assert "\n" not in str(caught.value)


def test_markdown_has_a_line_for_each_layer_and_variable():
    values = {name: np.array([2.0, 4.0]) for name in SECOND_MOMENTS}
    table = compare(prediction(**values), measurement(**{n: np.stack([v, 1.5 * v]) for n, v in values.items()}))
    lines = table.to_markdown().splitlines()
    assert lines[0] == "| variable | layer | predicted | measured | ratio | standard error | z |"
    assert set(lines[1]) == {"|", "-"}
    assert len(lines) == 2 + 2 * len(SECOND_MOMENTS)
    assert lines[2] == "| preactivation_second_moment | 1 | 2 | 2.5 | 1.2500 | 0.2500 | 1.00 |"
    assert {line.count("|") for line in lines} == {8}
    assert table._repr_markdown_() == table.to_markdown()
    assert len(table.to_markdown(["activation_second_moment"]).splitlines()) == 4


def test_other_examples_are_refused():
    spec = NetworkSpec.parse("4,20,2")
    x, y = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32), np.array([0, 1, 1, 0, 1])
    measured = measure(spec, x, y, 2)
    assert compare(predict(spec, inputs=x.astype(np.float64), labels=y), measured).entries
    assert compare(predict(spec, inputs=x), measured).entries
    for change, message in (({"inputs": 2 * x}, "inputs_digest"), ({"labels": 1 - y}, "labels_digest")):
        with pytest.raises(InvalidValueError, match=f"cannot compare: {message}"):
            compare(predict(spec, **{"inputs": x, "labels": y} | change), measured)
    with pytest.raises(InvalidValueError, match="cannot compare: inputs_digest None predicted"):
        compare(predict(spec, input_second_moment=1.0), measure(spec, x[:1], y[:1], 2))


def test_a_seed_that_was_measured_twice_is_refused():
    predicted, measured = prediction(activation_mean=[1.0, 1.0]), measurement(activation_mean=[[1.0, 1.0], [2.0, 2.0]])
    assert compare(predicted, measured).entries
    joined = measured.isel(seed=[0, 1, 0])
    with pytest.raises(InvalidValueError, match="cannot compare: seed 0 is measured 2 times, allowed is once"):
        compare(predicted, joined)


def test_other_layers_are_refused():
    predicted, measured = prediction(activation_mean=[1.0, 1.0]), measurement(activation_mean=[[1.0, 1.0]])
    with pytest.raises(InvalidValueError, match=r"cannot compare: layers \[1, 2\] predicted, \[1\] measured"):
        compare(predicted, measured.isel(layer=[0]))
    with pytest.raises(InvalidValueError, match=r"cannot compare: layers \[1, 2\] predicted, \[2, 1\] measured"):
        compare(predicted, measured.isel(layer=[1, 0]))


@pytest.mark.parametrize("wrong", [1, "a", None, {}])
def test_what_is_no_dataset_is_refused(wrong):
    right = prediction(activation_mean=[1.0, 1.0])
    for pair in ((wrong, right), (right, wrong)):
        with pytest.raises(InvalidValueError, match=r"cannot compare .*: allowed are LayerStatistics"):
            compare(*pair)


def test_every_variable_of_the_schema_has_its_equation():
    assert [name for name, variable in VARIABLES.items() if not variable.equation] == []
