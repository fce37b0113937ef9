"""glorotlab predict, measure and compare, held against the Python face."""

import json
import math

import numpy as np
import pytest
from command_line import parsed

from glorotlab.cli.commands.compare import FIELDS
from glorotlab.data.catalogue import load_dataset
from glorotlab.measurement.compare import SECOND_MOMENTS
from glorotlab.measurement.compare import compare as set_side_by_side
from glorotlab.measurement.measure import measure
from glorotlab.schema import TENSORS
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.predict import predict

pytestmark = pytest.mark.usefixtures("bands_by_expansion")

LAYERS = "1024,30,20,9"
EXAMPLES = ["--dataset", "shapeset", "--examples", "12"]
NORMAL = "glorot_normal"
"""Bands of normal weights are found soonest: what enters the first layer is one Gaussian vector an example."""


def shapes(n):
    return load_dataset("shapeset", seed=0).test.batch(0, n)


def check_layers(records, dataset):
    """Every pooled variable of a LayerStatistics without seeds stands in the records; NaN is null."""
    assert [record["layer"] for record in records] == dataset["layer"].values.tolist()
    for name, values in dataset.data_vars.items():
        column = values.sel(estimator="pooled") if "estimator" in values.dims else values
        for record, row in zip(records, column.values, strict=True):
            shown = list(record[name].values()) if "quantile" in column.dims else [record[name]]
            for value, each in zip(np.atleast_1d(row), shown, strict=True):
                assert each == (pytest.approx(value, rel=1e-12) if math.isfinite(value) else None)


def test_predict_prints_theory_as_json(run):
    spec = NetworkSpec.parse(LAYERS, activation="sigmoid", initializer="normal(std=0.1)", output="linear")
    arguments = ("-a", "sigmoid", "-i", "normal(std=0.1)", "--output", "linear", "--input-moment", 0.3, "--json")
    found = parsed(run("predict", LAYERS, *arguments))
    assert found["schema_version"] == 1
    assert found["spec"] == spec.model_dump(mode="json")
    assert found["data"] == {"input_second_moment": 0.3}
    assert len(found["assumptions"]) >= 3
    check_layers(found["layers"], predict(spec, input_second_moment=0.3))


def test_predict_takes_examples_of_a_dataset(run):
    x, y = shapes(12)
    expected = predict(NetworkSpec.parse(LAYERS), inputs=x, labels=y)
    for option in ("--batch", "--examples"):
        found = parsed(run("predict", LAYERS, "--dataset", "shapeset", option, 12, "--json"))
        check_layers(found["layers"], expected)
    assert found["layers"][-1]["activation_mean"] is None  # softmax mixes units


def test_predict_without_data_takes_second_moment_1(run):
    found = parsed(run("predict", LAYERS, "--json"))
    check_layers(found["layers"], predict(NetworkSpec.parse(LAYERS), input_second_moment=1.0))


def test_predict_prints_a_table_and_its_assumptions(run):
    text = run("predict", LAYERS)
    prediction = predict(NetworkSpec.parse(LAYERS), input_second_moment=1.0)
    for tensor in TENSORS:
        assert tensor in text
        for value in prediction[f"{tensor}_second_moment"].values[:2]:
            assert f"{value:.5g}" in text
    for assumption in json.loads(prediction.attrs["assumptions"]):
        assert assumption in text


def test_predict_prints_singular_values_if_asked(run):
    prediction = predict(NetworkSpec.parse(LAYERS), input_second_moment=1.0)
    value = f"{prediction['jacobian_singular_value_mean'].values[0]:.5g}"
    assert value not in run("predict", LAYERS)
    rows = [line.split() for line in run("predict", LAYERS, "--all").splitlines()]
    assert [row for row in rows if row[:1] == ["1"]][-1][3] == value


def test_predict_prints_its_errors(run):
    text = " ".join(run("predict", LAYERS).split())
    prediction = predict(NetworkSpec.parse(LAYERS), input_second_moment=1.0)
    for name in ("finite_width", "gaussianity"):
        assert f"{prediction.attrs[f'{name}_error']:.1g} for" in text


def test_measure_averages_consecutive_seeds(run):
    x, y = load_dataset("shapeset", seed=5).test.batch(0, 12)
    expected = measure(NetworkSpec.parse(LAYERS), x, y, [5, 6, 7], dtype="float64")
    found = parsed(run("measure", LAYERS, *EXAMPLES, "--seeds", 3, "--seed", 5, "--dtype", "float64", "--json"))
    assert found["data"] == {"dataset": "shapeset", "examples": 12, "seed": 5, "seeds": 3}
    for index, record in enumerate(found["layers"]):
        values = expected["backprop_gradient_second_moment"].values[:, index]
        assert record["backprop_gradient_second_moment"] == pytest.approx(values.mean())
        assert record["backprop_gradient_second_moment_std"] == pytest.approx(values.std(ddof=1))
        assert record["backprop_gradient_second_moment_sem"] == pytest.approx(values.std(ddof=1) / math.sqrt(3))
        pooled = expected["preactivation_variance"].sel(estimator="pooled").values[:, index]
        assert record["preactivation_variance"] == pytest.approx(pooled.mean())
        assert (record["fan_in"], record["fan_out"]) == NetworkSpec.parse(LAYERS).fans[index]
    quantiles = expected["activation_quantile"].mean("seed").values[0]
    assert list(found["layers"][0]["activation_quantile"].values()) == pytest.approx(quantiles.tolist())
    assert list(found["layers"][0]["activation_quantile"]) == ["0.02", "0.25", "0.5", "0.75", "0.98"]


def test_one_network_has_no_standard_error(run):
    (first, *_) = parsed(run("measure", LAYERS, *EXAMPLES, "--seeds", 1, "--json"))["layers"]
    assert first["activation_mean"] is not None
    assert first["activation_mean_sem"] is None
    text = run("compare", LAYERS, *EXAMPLES, "--seeds", 1, "--no-bands")
    assert "Verdict: none, since one network has no standard error" in text
    assert "agrees" not in text
    text = run("compare", LAYERS, "-i", NORMAL, *EXAMPLES, "--seeds", 1)
    assert "Verdict: a measurement agrees inside its band\n" in text


def test_threads_change_no_number(run):
    arguments = ("measure", LAYERS, *EXAMPLES, "--seeds", 2, "--json")
    assert run(*arguments, "--threads", 1) == run(*arguments, "--threads", 2)


def test_compare_prints_every_entry_as_json(run):
    x, y = shapes(12)
    spec = NetworkSpec.parse(LAYERS, activation="softsign", initializer=NORMAL)
    predicted = predict(spec, inputs=x, labels=y, level=0.95, networks=4)
    expected = set_side_by_side(predicted, measure(spec, x, y, 4))
    entries = {(entry.layer, entry.variable): entry for entry in expected.entries}
    arguments = ("compare", LAYERS, "-a", "softsign", "-i", NORMAL, *EXAMPLES, "--seeds", 4, "--json")
    found = parsed(run(*arguments))
    assert parsed(run(*arguments, "--all")) == found
    assert list(found) == ["schema_version", "spec", "assumptions", "layers", "data"]
    variables = {variable for _, variable in entries}
    assert variables > set(SECOND_MOMENTS)
    for record in found["layers"]:
        assert record.keys() == variables | {"layer", "fan_in", "fan_out"}
        for name in variables:
            assert tuple(record[name]) == FIELDS
            entry = entries.get((record["layer"], name))
            for key, value in record[name].items():
                assert value == (None if entry is None else getattr(entry, key))


def test_compare_prints_ratio_error_and_verdict(run):
    text = run("compare", LAYERS, *EXAMPLES, "--seeds", 4, "--no-bands")
    assert "band" not in text
    rule = "Verdict: a measurement agrees within 2 standard errors + 1.5% of the prediction"
    assert text.index(rule) < text.index("preactivation_second_moment")
    x, y = shapes(12)
    spec = NetworkSpec.parse(LAYERS)
    found = set_side_by_side(predict(spec, inputs=x, labels=y), measure(spec, x, y, 4))
    for entry in (entry for name in SECOND_MOMENTS for entry in found.select(name)):
        row = [str(entry.layer), f"{entry.predicted:.5g}", f"{entry.measured:.5g}", f"{entry.standard_error:.2g}"]
        row += [f"{entry.ratio:.4f}", f"{entry.z_score:.2f}", entry.verdict]
        assert row in [line.split() for line in text.splitlines()]


def test_bands_are_printed_where_there_are_any(run):
    x, y = shapes(12)
    expected = predict(NetworkSpec.parse(LAYERS, initializer=NORMAL), inputs=x, labels=y, level=0.9)
    low, high = (float(expected[f"activation_second_moment_{end}"][0]) for end in ("low", "high"))
    text = run("predict", LAYERS, "-i", NORMAL, "--dataset", "shapeset", "--batch", 12, "--level", 0.9)
    assert f"{low:.3g} .. {high:.3g}" in text
    assert "with probability 0.9" in text
    text = run("compare", LAYERS, "-i", NORMAL, *EXAMPLES, "--seeds", 3)
    assert "Band: the mean of 3 networks lies inside with probability 0.95" in text
    assert " .. " in text
    text = run("compare", LAYERS, "-i", NORMAL, *EXAMPLES, "--seeds", 3, "--all")
    assert "agrees inside its band; where there is no band, it agrees within 2 standard errors" in text
    assert "or below what samples (saturation) and rounding (means, variances) let" in text
    text = run("compare", LAYERS, "-i", "orthogonal", *EXAMPLES, "--seeds", 3)
    assert "No bands: bands for initializer orthogonal" in text
    assert " .. " not in text


@pytest.mark.parametrize("command", ["predict", "compare"])
def test_errors_of_a_prediction_are_printed(run, command):
    text = run(
        command,
        "1024,20,9",
        "--dataset",
        "shapeset",
        "--examples",
        3,
        *(["--seeds", 2] if command == "compare" else []),
    )
    assert "Relative errors: numerical at most" in text
    assert "of the order of 0.2 for finite width" in text


def test_tables_say_which_gradients_are_subnormal_where_any_is(run):
    """The first layer's, of weights so small that float32 just has its gradients; without them nothing is said."""
    arguments = ("measure", "1024,9x6,9", "-a", "relu", "--seeds", 2, "--quiet", *EXAMPLES)
    tiny = ("-i", "normal(std=2e-7)")
    tables = {text.split("\n", 1)[0]: text for text in run(*arguments, *tiny).split("\n\n")}
    shown = {name for name, text in tables.items() if "subnormal" in text}
    assert shown == {"backprop_gradient", "batch_weight_gradient"}
    header, _, first = tables["backprop_gradient"].splitlines()[1:4]
    assert header.split()[-2:] == ["subnormal", "zero"]
    record = parsed(run(*arguments, *tiny, "--json"))["layers"][0]
    share, zero = (record[f"backprop_gradient_{name}"] for name in ("subnormal", "zero"))
    assert share + zero == pytest.approx(1)
    assert f"{share:.5g} ±" in first
    assert f"{zero:.5g} ±" in first
    assert "subnormal" not in run(*arguments)
