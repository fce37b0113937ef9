"""advise: gains, bands, the tangent kernel, verdicts, the compromise, the recommendation and code to paste."""

import html
import json
import math

import numpy as np
import pytest
from benchmark_scripts import benchmark
from optional import optional
from scipy import integrate

import glorotlab as gl
from glorotlab import activations, initializers
from glorotlab.cli.main import main
from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.theory.advice import recommend, trainability
from glorotlab.theory.advice.framework_code import keras_lines, torch_lines
from glorotlab.theory.mean_field import tangent_kernel
from glorotlab.theory.mean_field.forward import forward
from glorotlab.theory.mean_field.inputs import OTHER_CLASS, SAME_CLASS, batch_of, labelled_batch

CRITICAL = "variance_scaling(scale=1.3, mode=fan_in, distribution=uniform)"


def spec(layers="20,50x3,4", **fields):
    return gl.NetworkSpec.parse(layers, **fields)


def expectation(function, q):
    def density(s):
        return function(s) * math.exp(-s * s / (2 * q)) / math.sqrt(2 * math.pi * q)

    return integrate.quad(density, -12 * math.sqrt(q), 12 * math.sqrt(q), epsabs=1e-13, epsrel=1e-12, limit=400)[0]


@pytest.fixture(scope="module")
def shapes():
    return gl.shapeset(60, seed=3)


# Gains


def test_gains_of_tanh_at_1():
    """Weights of Var[W] = 1 / fan_in at inputs of second moment 1: the first layer has q = 1; theory.md, section 3."""
    first = gl.advise(spec("50,50,4", initializer="lecun_normal"), input_second_moment=1.0).gains[0]
    assert (first.layer, first.q) == (1, pytest.approx(1.0))
    assert (first.forward, first.backward) == (pytest.approx(1.5925, abs=5e-5), pytest.approx(1.4674, abs=5e-5))


@pytest.mark.parametrize("activation", ["tanh", "gelu", "sigmoid"])
def test_gains_against_quadrature(activation):
    """q of each layer, both gains and both factors, by a scalar recurrence over scipy's quad."""
    network = spec("30,40,20,4", activation=activation, initializer="he_normal", bias="normal(std=0.3)")
    record = activations.get(activation)
    q = 2 * 0.7 + 0.09
    for gain, (fan_in, fan_out) in zip(
        gl.advise(network, input_second_moment=0.7).gains, network.fans[1:], strict=True
    ):
        square = expectation(lambda s: float(record.function(np.array([s]))[0]) ** 2, q)
        slope = expectation(lambda s: float(record.derivative(np.array([s]))[0]) ** 2, q)
        following = 2 * square + 0.09
        assert gain.q == pytest.approx(q, rel=1e-8)
        assert gain.forward == pytest.approx(math.sqrt(q / square), rel=1e-8)
        assert gain.backward == pytest.approx(1 / math.sqrt(slope), rel=1e-8)
        assert gain.signal_factor == pytest.approx(following / q, rel=1e-8)
        assert gain.gradient_factor == pytest.approx(2 / fan_in * fan_out * slope, rel=1e-8)
        q = following


def test_the_fixed_point():
    """tanh with sigma_w^2 = 1.76 and sigma_b^2 = .05: q* of gl.fixed_points, V(q*) = q* by quad."""
    network = spec(
        initializer="variance_scaling(scale=1.76, mode=fan_in, distribution=normal)", bias="normal(std=0.22)"
    )
    point = gl.advise(network, input_second_moment=1.0).fixed_point
    square = expectation(lambda s: math.tanh(s) ** 2, point.q)
    assert 1.76 * square + 0.22**2 == pytest.approx(point.q, rel=1e-8)
    assert point.forward == pytest.approx(math.sqrt(point.q / square), rel=1e-8)


def test_a_fixed_point_at_a_limit_has_the_gains_of_small_signals():
    point = gl.advise(spec(initializer="standard"), input_second_moment=1.0).fixed_point
    assert point.q == 0
    assert (point.forward, point.backward) == (pytest.approx(1, abs=1e-6), pytest.approx(1, abs=1e-6))


# The tangent kernel


SMALL = "variance_scaling(scale=0.01, mode=fan_in, distribution=normal)"  # biases' part of the kernel is most of it


@pytest.mark.parametrize(("activation", "initializer"), [("tanh", "he_normal"), ("relu", "he_normal"), ("tanh", SMALL)])
def test_tangent_kernel_against_a_wide_network(activation, initializer):
    """J_a . J_b of one output by our back-propagation, mean of ten networks of width 600.

    A kernel's entry scatters by .1 between networks of this width at most, relative to the diagonal, the mean of ten by
    .03: .15 is 5 of them. Without a layer's term, or with small
    weights without the biases' 1, the trace would be off by more than .06.
    """
    network = spec(
        "12,600x2,3", activation=activation, initializer=initializer, bias="normal(std=0.01)", output="linear"
    )
    x = np.random.default_rng(0).normal(size=(5, 12)) / 3
    theory = tangent_kernel.tangent_kernel(forward(network, batch_of(network, inputs=x)))
    measured = np.mean([jacobian_products(gl.Network(network, seed=seed, dtype="float64"), x) for seed in range(10)], 0)
    scale = np.sqrt(np.outer(np.diagonal(theory), np.diagonal(theory)))
    assert (np.abs(measured - theory) / scale).max() < 0.15
    assert abs(np.trace(measured) / np.trace(theory) - 1) < 0.06


def jacobian_products(network, x):
    """(1 / K) sum_k J_ka . J_kb: the last layer's matrix of each k times the Jacobian below it, by hand."""
    passed = network.forward(x)
    record = activations.get(network.spec.activation)
    total = np.zeros((len(x), len(x)))
    classes = network.spec.classes
    for k in range(classes):
        back = np.zeros((len(x), classes))
        back[:, k] = 1.0
        for layer in range(len(network.weights) - 1, -1, -1):
            below = passed.below(layer)
            total += (back @ back.T) * (below @ below.T + 1)
            if layer:
                back = (back @ network.weights[layer].T) * record.derivative(passed.preactivations[layer - 1])
    return total / classes


def test_tangent_kernel_by_autograd():
    """The products of J by our back-propagation, which stand for drawn networks above, are those of torch's J."""
    torch = optional("torch", "TORCH")
    network = spec("12,30x2,3", initializer="he_normal", output="linear")
    x = np.random.default_rng(1).normal(size=(4, 12)) / 3
    ours = gl.Network(network, seed=5, dtype="float64")
    parameters = [torch.tensor(np.array(w), requires_grad=True) for w in (*ours.weights, *ours.biases)]
    weights, biases = parameters[:3], parameters[3:]
    rows = []
    for example in torch.tensor(x):
        z = example
        for layer in range(3):
            z = z @ weights[layer] + biases[layer]
            z = torch.tanh(z) if layer < 2 else z
        rows.append(
            [torch.cat([g.ravel() for g in torch.autograd.grad(z[k], parameters, retain_graph=True)]) for k in range(3)]
        )
    measured = np.mean([[[float(a[k] @ b[k]) for b in rows] for a in rows] for k in range(3)], axis=0)
    np.testing.assert_allclose(measured, jacobian_products(ours, x), rtol=1e-9)


def test_condition_of_two_classes():
    """Theta = 1 + (a - 1) in blocks: eigenvalues by hand. Two classes of two; Y lies along (1, 1, -1, -1)."""
    own, same, other = 5.0, 3.0, 2.0
    y = np.array([0, 0, 1, 1])
    kernel = np.where(y[:, np.newaxis] == y, same, other)
    np.fill_diagonal(kernel, own)
    fastest, condition = tangent_kernel.condition(kernel, np.eye(2)[y])
    assert fastest == pytest.approx((own + same + 2 * other) / 4)
    assert condition == pytest.approx((own + same + 2 * other) / (own + same - 2 * other))
    assert tangent_kernel.condition(np.ones((4, 4)), np.eye(2)[y])[1] == math.inf


def test_coherence():
    kernel = np.array([[4.0, 1, 3], [1, 4, 2], [3, 2, 4]])
    assert tangent_kernel.coherence(kernel) == pytest.approx(math.sqrt(2 / 3) / 2)
    assert tangent_kernel.coherence(np.eye(3)) == 0  # chaos
    assert tangent_kernel.coherence(np.ones((3, 3))) == 0  # order


# Verdicts


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"initializer": "standard"}, "signal vanishes"),
        ({"activation": "sigmoid"}, "gradient vanishes"),
        ({"initializer": "normal(std=1)"}, "gradient explodes"),
        ({"activation": "relu", "initializer": "normal(std=1)"}, "the signal explodes"),
        ({"activation": "relu", "initializer": "he_normal"}, "condition"),
        ({"initializer": "glorot_normal"}, "condition"),
    ],
)
def test_verdicts_of_clear_cases(fields, reason, shapes):
    """20 layers of 200: ratios are beyond the bounds by powers of ten, or near 1."""
    network = spec("1024,200x20,9", **fields)
    for given in ({"inputs": shapes[0], "labels": shapes[1]}, {"input_second_moment": 0.4}):
        found = gl.trainability(network, **given)
        assert found.reason.startswith(reason)
        assert found.trains == (reason == "condition")


def test_a_signal_beyond_float64_is_a_verdict():
    found = gl.trainability(
        spec("20,50x9,4", activation="relu", initializer="normal(std=1000)"), input_second_moment=1.0
    )
    assert (found.trains, found.condition) == (False, None)
    assert "the signal explodes in layer" in found.reason


def test_one_layer_more_outputs_than_bound():
    found = gl.trainability(spec("20,50,4", activation="relu", initializer="normal(std=10)"), input_second_moment=1.0)
    assert found.reason.endswith(f"; but outputs explode {found.logit_second_moment:.1e}")


def test_narrow_relu_is_warned_of_its_width():
    """5 / n a layer (limits): 20 layers of 20 make 5."""
    found = gl.trainability(spec("20,20x20,4", activation="relu", initializer="he_normal"), input_second_moment=1.0)
    assert found.fluctuation == pytest.approx(5.0)
    assert trainability.bound_exceeded(found) == "too narrow: fluctuation 5.0e+00"


def test_ratios_against_measured_networks(shapes):
    """Ratios of 20 networks of width 200: each within 5 standard errors (6e-7) and 3 % of finite width.

    The standard errors are below 2 % of the ratios, so that a factor of 1.15 would show.
    """
    x, y = shapes
    network = spec("1024,200x4,9", initializer="glorot_normal")
    found = gl.trainability(network, inputs=x, labels=y)
    measured = gl.measure(network, x, y, seeds=20)
    for name, last, first, ratio in (
        ("activation_second_moment", 3, 0, found.signal_ratio),
        ("backprop_gradient_second_moment", 0, 3, found.gradient_ratio),
    ):
        values = measured[name].transpose("seed", "layer").values
        ratios = values[:, last] / values[:, first]
        error = ratios.std(ddof=1) / math.sqrt(len(ratios))
        assert error < 0.03 * ratio
        assert abs(ratios.mean() - ratio) < 5 * error + 0.03 * ratio


# Examples


def test_the_stand_in():
    batch = labelled_batch(spec("20,50,4"), None, None, 0.5)
    assert len(batch.labels) == 40
    assert batch.mean_second_moment == 0.5
    assert batch.kernel[0, 1] == pytest.approx(0.5 * SAME_CLASS)
    assert batch.kernel[0, 39] == pytest.approx(0.5 * OTHER_CLASS)
    assert str(SAME_CLASS) in batch.assumption


def test_real_examples(shapes):
    x, y = shapes
    batch = labelled_batch(spec("1024,50,9"), x, y, None)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(batch.kernel, wide @ wide.T / 1024)
    assert batch.mean_second_moment == pytest.approx((wide**2).mean())
    assert batch.assumption == ""


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({}, InvalidValueError, "neither inputs nor"),
        ({"inputs": np.ones((2, 20)), "labels": [0, 1], "input_second_moment": 1.0}, InvalidValueError, "both inputs"),
        ({"inputs": np.ones((2, 20))}, InvalidValueError, "without labels"),
        ({"inputs": np.ones((2, 20)), "labels": [1, 1]}, InvalidValueError, "all of class 1"),
        ({"inputs": np.ones((2, 19)), "labels": [0, 1]}, InvalidValueError, r"shape \(2, 19\)"),
        ({"inputs": np.zeros((2, 20)), "labels": [0, 1]}, AssumptionError, "all 0"),
        ({"input_second_moment": -1.0}, InvalidValueError, "-1"),
    ],
)
def test_bad_arguments(fields, error, says):
    for function in (gl.advise, gl.trainability):
        with pytest.raises(error, match=says):
            function(spec(), **fields)


@pytest.mark.parametrize("layers", ["20,4", "20,5x1001,4"])
def test_hidden_layers(layers):
    with pytest.raises(InvalidValueError, match="allowed are 1 to 1000"):
        gl.advise(spec(layers), input_second_moment=1.0)


# The table of initializers


def test_the_table(shapes):
    """Its own initializer first; bands are those of ``predict`` for one example, as factors of the ratios."""
    network = spec("1024,100x2,9", initializer=CRITICAL)
    advice = gl.advise(network, inputs=shapes[0], labels=shapes[1], bands=True)
    own, rows = advice.initializers[0], {row.name: row for row in advice.initializers}
    assert own.name == initializers.get(CRITICAL).name
    assert advice.verdict == own.verdict
    assert set(rows) >= {"glorot_uniform", "he_normal", "sparse(k=15)"}
    predicted = gl.predict(network, input_second_moment=advice.second_moment, level=0.95)
    for band, ratio, name, layer in (
        (own.signal_band, own.verdict.signal_ratio, "activation_second_moment", 1),
        (own.gradient_band, own.verdict.gradient_ratio, "backprop_gradient_second_moment", 0),
    ):
        ends = [float(predicted[f"{name}_{end}"][layer] / predicted[name][layer]) for end in ("low", "high")]
        assert np.array(band) / ratio == pytest.approx(ends)
    assert rows["glorot_uniform"].signal_band == rows["glorot_normal"].signal_band
    assert rows["orthogonal"].signal_band is None
    assert "depend on each other" in rows["orthogonal"].no_band
    assert not rows["glorot_uniform"].no_band


def test_bands_stop_at_depth(monkeypatch):
    monkeypatch.setattr("glorotlab.theory.advice.ratio_bands.MAX_BAND_LAYERS", 1)
    row = gl.advise(spec(), input_second_moment=1.0, bands=True).initializers[0]
    assert row.signal_band is row.gradient_band is None
    assert row.no_band == "more than 1 hidden layers"


def test_bands_are_drawn_on_request_alone(monkeypatch):
    """Everything but the bands and their assumption is the same with them; without, the advice says how to get them."""
    with_bands = gl.advise(spec(), input_second_moment=1.0, bands=True)
    monkeypatch.setattr("glorotlab.theory.advice.advise.ratio_band", None)
    without = gl.advise(spec(), input_second_moment=1.0)
    for drawn, plain in zip(with_bands.initializers, without.initializers, strict=True):
        assert (plain.name, plain.bias, plain.verdict) == (drawn.name, drawn.bias, drawn.verdict)
        assert plain.signal_band is plain.gradient_band is None
        assert "--bands" in plain.no_band
        assert "bands=True" in plain.no_band
    assert without.recommendation == with_bands.recommendation
    assert [line for line in with_bands.assumptions if "a band is" in line]
    assert not [line for line in without.assumptions if "band" in line]
    assert "95 % band" in with_bands.text()
    assert "95 % band" not in without.text()
    for form in (without.text(), without._repr_html_(), json.dumps(without.to_dict()["initializers"])):
        assert "--bands" in form
    assert "--bands" not in with_bands.text()


def test_initialisers_of_one_variance_are_judged_once(monkeypatch):
    """Glorot's, He's and LeCun's uniform and normal forms differ in shape alone; progress counts every one."""
    judged, calls = [], []
    judge = trainability.judge

    def counted(network, batch):
        judged.append(network.initializer)
        return judge(network, batch)

    monkeypatch.setattr("glorotlab.theory.advice.advise.judge", counted)
    advice = gl.advise(spec(), input_second_moment=1.0, progress=lambda *call: calls.append(call))
    rows = {row.name: row.verdict for row in advice.initializers}
    for shape in ("glorot", "he", "lecun"):
        assert (
            rows[f"{shape}_normal"]
            == rows[f"{shape}_uniform"]
            == judge(spec(initializer=f"{shape}_normal"), labelled_batch(spec(), None, None, 1.0))
        )
        assert f"{shape}_normal" not in judged
    total = len(advice.initializers) + recommend.PARTS
    assert calls == [(done, total) for done in range(1, total + 1)]


def test_candidates_are_judged_until_one_trains(monkeypatch):
    """Twelve layers of softsign lose a factor above 2 without biases: of several candidates the first one trains."""
    judged = []
    judge = trainability.judge
    monkeypatch.setattr(recommend, "judge", lambda *given: judged.append(given[0]) or judge(*given))
    recommend.recommend(spec("20,100x12,4", activation="softsign"), labelled_batch(spec(), None, None, 1.0))
    assert len(judged) == 1


# The compromise


def test_the_compromise_of_linear_networks():
    """20 to 80 to 5: n Var[W] by hand; geometric makes both factors sqrt(n_in / n_out) and its inverse."""
    first, second, whole = gl.advise(spec("20,80,5"), input_second_moment=1.0).compromise
    assert (first.layer, first.fan_in, first.fan_out) == (1, 20, 80)
    assert first.forward == pytest.approx({"fan_in": 1, "fan_out": 0.25, "fan_avg": 0.4, "geometric": 0.5})
    assert first.backward == pytest.approx({"fan_in": 4, "fan_out": 1, "fan_avg": 1.6, "geometric": 2})
    assert second.backward["fan_avg"] == pytest.approx(10 / 85)
    assert whole.layer is None
    assert whole.forward["fan_avg"] == pytest.approx(0.4 * 160 / 85)
    assert whole.backward == second.backward  # the first layer's inputs need no gradient
    assert gl.advise(spec("20,20,20"), input_second_moment=1.0).compromise == ()


# The recommendation


def test_relu_gets_he():
    """E f^2 = q / 2 and E f'^2 = 1 / 2 whatever q: 2 / fan_in keeps both exactly in square layers."""
    found = gl.advise(spec("50,50x6,4", activation="relu"), input_second_moment=0.3).recommendation
    assert initializers.get(found.initializer).scale == pytest.approx(2, abs=2e-3)
    assert initializers.get(found.initializer).mode == "fan_in"
    assert found.distortion == pytest.approx(1, abs=5e-3)


def test_rectangular_hidden_layers_get_the_compromise():
    """ReLU over 400 to 100: fan_in keeps S and makes G = 1/4, fan_out the reverse, fan_avg can do no worse."""
    found = gl.advise(spec("400,400,100,4", activation="relu"), input_second_moment=0.3).recommendation
    network = spec("400,400,100,4", activation="relu", initializer="he_normal")
    by_fan_in = recommend.distortion(network, labelled_batch(network, None, None, 0.3))
    assert math.exp(by_fan_in) == pytest.approx(4)
    assert found.distortion == pytest.approx(2, rel=1e-3)  # S G = n_out / n_in whatever the scale
    assert "fan_" in found.reason


@pytest.mark.parametrize(("activation", "layers"), [("tanh", "1024,300x8,9"), ("gelu", "1024,300x5,9")])
def test_the_recommended_keeps_signal_and_gradient_in_networks(activation, layers, shapes):
    """Over 8 networks both ratios lie within a factor 1.5 of 1, where glorot_normal loses a factor 1.7 or more.

    Ratios of one network scatter by at most 20 % at this width, their mean by 7 %: 1.5 is 5 of these beyond 1.1.
    """
    x, y = (each[:30] for each in shapes)
    found = gl.advise(spec(layers, activation=activation), inputs=x, labels=y).recommendation
    chosen = spec(layers, activation=activation, initializer=found.initializer, bias=found.bias)
    measured = gl.measure(chosen, x, y, seeds=8)
    hidden = len(chosen.layer_sizes) - 3
    signal, gradient = (
        measured[name].mean("seed").values for name in ("activation_second_moment", "backprop_gradient_second_moment")
    )
    for ratio in (signal[hidden] / signal[0], gradient[0] / gradient[hidden]):
        assert 1 / 1.5 < ratio < 1.5
    plain = gl.trainability(spec(layers, activation=activation, initializer="glorot_normal"), inputs=x, labels=y)
    assert min(plain.signal_ratio, plain.gradient_ratio, 1 / plain.signal_ratio, 1 / plain.gradient_ratio) < 1 / 1.7


def test_deep_softsign_gets_biases():
    """Without biases 30 layers of softsign lose more than a factor 2; on the critical line they do not."""
    data = {"inputs": np.random.default_rng(0).normal(size=(2, 50)), "labels": [0, 1]}
    found = gl.advise(spec("50,200x30,4", activation="softsign"), **data).recommendation
    assert found.bias.startswith("normal")
    assert "critical line" in found.reason
    chosen = spec("50,200x30,4", activation="softsign", initializer=found.initializer, bias=found.bias)
    assert gl.trainability(chosen, **data) == found.verdict
    record = initializers.get(found.initializer)
    points = gl.critical_points("softsign", initializers.get_bias(found.bias).variance)
    assert min(abs(point.weight_variance - record.scale) for point in points) < 1e-3


def test_sigmoid_is_told_another():
    found = gl.advise(spec("784,100x10,10", activation="sigmoid"), input_second_moment=0.1).recommendation
    assert found.other == "tanh"
    assert "saturate" in found.reason
    assert "tanh would do" in found.reason


def test_isometry_is_only_claimed_with_numbers():
    tanh, relu = (
        gl.advise(spec("50,50x6,4", activation=name), input_second_moment=0.1).recommendation
        for name in ("tanh", "relu")
    )
    assert "isometry" in tanh.reason
    assert "isometry" not in relu.reason
    chosen = spec("50,50x6,4", initializer=tanh.initializer.replace("=normal", "=orthogonal"))
    spectrum = gl.jacobian_spectrum(chosen, input_second_moment=0.1)
    assert f"to {spectrum.second_moment / spectrum.mean**2 - 1:.2g}." in tanh.reason


@pytest.mark.parametrize(
    "activation", ["linear", "leaky_relu", "sin", "mish", "hard_tanh", "x*exp(-x**2)", "max(x, 0)**2"]
)
def test_every_kind_of_activation(activation):
    """Those that no other test asks about: what is scale-free, has a parameter, waves, and is not of the catalogue."""
    advice = gl.advise(spec("20,40x3,4", activation=activation), input_second_moment=1.0)
    said = advice.text()
    assert max(map(len, said.splitlines())) <= 80
    assert "nan" not in said
    assert advice.recommendation.distortion < 1e3
    initializers.get(advice.recommendation.initializer)


# Code to paste


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["normal", "uniform"])
@pytest.mark.parametrize("bias", ["zeros", "normal(std=0.5)"])
def test_torch_lines_run(mode, distribution, bias):
    """The variance of 300 x 500 weights has a relative standard error of .4 % (normal): 2.5 % are 6 of them (2e-9)."""
    torch = optional("torch", "TORCH")
    initializer = f"variance_scaling(scale=1.7, mode={mode}, distribution={distribution})"
    model = torch.nn.Sequential(torch.nn.Linear(500, 300), torch.nn.Tanh(), torch.nn.Linear(300, 10))
    exec(torch_lines(initializer, bias), {"nn": torch.nn, "model": model})  # noqa: S102
    weights = model[0].weight.detach().numpy()
    assert weights.var() == pytest.approx(initializers.get(initializer).variance(500, 300), rel=0.025)
    excess = (weights**4).mean() / weights.var() ** 2 - 3
    assert excess == pytest.approx(0 if distribution == "normal" else -1.2, abs=0.08)  # 6 of sqrt(24 / 150000)
    biases = model[0].bias.detach().numpy()
    assert biases.std() == pytest.approx(0 if bias == "zeros" else 0.5, rel=0.25)


def test_keras_lines():
    """Parsed as the call they are; without Keras at hand its documented arguments are what can be checked."""
    import ast

    said = keras_lines("variance_scaling(scale=1.5, mode=fan_avg, distribution=normal)", "normal(std=0.2)")
    call = ast.parse(f"Dense({said})").body[0].value
    kernel, bias = (keyword.value for keyword in call.keywords)
    assert [keyword.arg for keyword in call.keywords] == ["kernel_initializer", "bias_initializer"]
    assert ast.unparse(kernel.func) == "keras.initializers.VarianceScaling"
    assert {each.arg: ast.literal_eval(each.value) for each in kernel.keywords} == {
        "scale": 1.5,
        "mode": "fan_avg",
        "distribution": "untruncated_normal",
    }
    assert ast.unparse(bias) == "keras.initializers.RandomNormal(stddev=0.2)"


# The command line


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def parsed(text):
    def refuse(name):
        raise AssertionError(name)

    return json.loads(text, parse_constant=refuse)


def test_the_command(capsys):
    arguments = ["advise", "1024,40x2,9", "-a", "tanh", "--dataset", "shapeset", "--batch", "30"]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert all(line.startswith("advice: ") for line in captured.err.splitlines())
    lines = captured.out.splitlines()
    assert max(map(len, lines)) <= 80
    x, y = gl.load_dataset("shapeset", seed=0).test.batch(0, 30)
    advice = gl.advise(spec("1024,40x2,9"), inputs=x, labels=y)
    assert captured.out.rstrip("\n") == advice.text("first 30 test examples of shapeset")
    assert "With glorot_uniform it should train (" in captured.out
    assert main([*arguments, "--json"]) == 0
    document = parsed(capsys.readouterr().out)
    assert list(document)[:2] == ["schema_version", "spec"]
    assert document["data"] == {"dataset": "shapeset", "examples": 30, "seed": 0}
    assert [layer["q"] for layer in document["layers"]] == [gain.q for gain in advice.gains]
    assert document["recommendation"]["initializer"] == advice.recommendation.initializer
    assert document["initializers"][0]["signal_band"] is None
    assert document["initializers"][0]["verdict"]["condition"] == advice.initializers[0].verdict.condition


def test_the_command_draws_bands_on_request(capsys):
    assert main(["advise", "20,30x2,4", "--bands", "--json"]) == 0
    rows = {row["name"]: row for row in parsed(capsys.readouterr().out)["initializers"]}
    low, high = rows["glorot_uniform"]["signal_band"]
    assert low < rows["glorot_uniform"]["verdict"]["signal_ratio"] < high


def test_json_is_finite_where_signals_are_not(capsys):
    assert main(["advise", "20,50x9,4", "-a", "relu", "-i", "normal(std=1000)", "--json"]) == 0
    document = parsed(capsys.readouterr().out)
    assert document["layers"] == []
    assert document["verdict"]["condition"] is None
    assert main(["advise", "20,50x9,4", "-a", "relu", "-i", "normal(std=1000)"]) == 0
    assert "leaves the range of float64" in capsys.readouterr().out


def test_notebooks_see_tables():
    advice = gl.advise(spec(activation="x*exp(-x**2)"), input_second_moment=1.0)
    shown = advice._repr_html_()
    assert "<b>Advice for 20,50x3,4 x*exp(-x**2)" in shown
    for row in advice.initializers:
        assert f">{row.name}</td>" in shown
    assert f"<pre>{html.escape(advice.recommendation.torch)}</pre>" in shown


# The benchmark


def test_the_benchmark_counts(capsys, monkeypatch):
    """With few updates nothing trains; the held-out set shares no network with the one the bounds were chosen on."""
    module = benchmark("advice")
    assert not set(module.HELD_OUT) & set(module.CALIBRATION)
    assert len(module.HELD_OUT) >= 20
    for name, value in {
        "UPDATES": 5,
        "LEARNING_RATES": (0.01,),
        "STREAM": 50,
        "HELD_OUT": (
            ("shapeset", "1024,20,9", "tanh", "standard"),
            ("shapeset", "1024,20x30,9", "sigmoid", "standard"),
        ),
    }.items():
        monkeypatch.setattr(module, name, value)
    module.main()
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "right 1 of 2: 0 train, 0 of them said to fail; 2 fail, 1 of them said to train"


def test_bounds_are_each_met_by_a_clear_case():
    """A bound left out of ``bound_exceeded`` would show here."""
    good = trainability.Trainability(True, "", 1.0, 1.0, 10.0, 0.1, 0.1, 1.0, 0.1)
    assert trainability.bound_exceeded(good) is None
    from dataclasses import replace

    for field, value in {
        "signal_ratio": 1e-6,
        "gradient_ratio": 1e-6,
        "condition": 1e9,
        "coherence": 1e-7,
        "logit_second_moment": 1e6,
        "fluctuation": 10.0,
    }.items():
        assert trainability.bound_exceeded(replace(good, **{field: value})) is not None
