"""gl.plot draws whatever the package returns, several results in one picture, and leaves the user's axes legible."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

import glorotlab as gl
from glorotlab.errors import InvalidValueError
from glorotlab.plotting.plot import plot
from glorotlab.theory.gaussian.moments import NAMES

SPEC = gl.NetworkSpec.parse("8,12x2,3")
X, Y = np.random.default_rng(0).normal(size=(6, 8)), np.array([0, 1, 2, 0, 1, 2])
TRAINING = gl.TrainingSpec(updates=4, batch_size=2, monitor_every=2, validation_every=2)


@pytest.fixture(scope="module")
def prediction():
    return gl.predict(SPEC, inputs=X, labels=Y)


@pytest.fixture(scope="module")
def measurement():
    return gl.measure(SPEC, X, Y, seeds=4, bins=10)


@pytest.fixture(scope="module")
def run():
    return gl.train(gl.RunSpec(network=SPEC, training=TRAINING), dataset=gl.Dataset.from_arrays(X, Y))


@pytest.fixture(scope="module")
def distributions():
    return gl.predict_distributions(SPEC, X, Y)


def plain_axes(size=(6.4, 4.8)):
    """Return axes of a figure without a layout, as ``plt.subplots()`` makes them."""
    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def marks(ax):
    """Return points of measurements and lines of predictions."""
    return [container.lines[0] for container in ax.containers], [line for line in ax.lines if len(line.get_xdata()) > 2]


def test_prediction_and_measurement_are_laid_over_each_other(prediction, measurement):
    ax = plot(prediction, measurement).axes[0]
    points, _ = marks(ax)
    np.testing.assert_allclose(
        points[0].get_ydata(), measurement["preactivation_second_moment"].mean("seed").transpose("layer")
    )
    np.testing.assert_allclose(ax.lines[0].get_ydata(), prediction["preactivation_second_moment"])
    assert points[0].get_color() == ax.lines[0].get_color()
    assert labels(ax)[-2:] == ["predicted", "measured, with standard error"]
    assert ax.get_title(loc="left") == "Prediction and measurement"


def test_two_predictions_have_lines_and_names_of_their_own(prediction):
    other = gl.predict(SPEC.model_copy(update={"initializer": "he_normal"}), inputs=X, labels=Y)
    ax = plot(prediction, other).axes[0]
    assert {line.get_linestyle() for line in ax.lines} == {"-", "--"}
    assert [text for text in labels(ax) if "he_normal" in text] == ["predicted: 8,12x2,3 tanh, he_normal"]


def test_one_variable_is_drawn_where_it_is_asked_for(prediction, measurement):
    ax = plot(prediction, measurement, variable="activation_variance").axes[0]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), prediction["activation_variance"].sel(estimator="pooled"))
    assert len(ax.containers) == 1
    assert "variance of activation z" in ax.get_ylabel()
    mean = plot(prediction, variable="activation_mean").axes[0]  # 0 by symmetry: no logarithm
    assert mean.get_yscale() == "linear"


def test_statistics_over_training_are_drawn_with_their_start(run, prediction):
    ax = plot(run.statistics, prediction).axes[0]
    quantile = run.statistics["activation_quantile"].sel(quantile=0.98)
    std = np.sqrt(run.statistics["activation_variance"].sel(estimator="pooled"))
    np.testing.assert_allclose(ax.lines[0].get_ydata(), quantile.sel(layer=1))
    np.testing.assert_allclose(ax.lines[1].get_ydata(), std.sel(layer=1))
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert float(prediction["activation_quantile"].sel(layer=1, quantile=0.98)) in [c.get_ydata()[0] for c in crosses]
    assert all(cross.get_xdata()[0] < 0 for cross in crosses)
    assert labels(ax)[:2] == ["layer 1", "layer 2"]  # the softmax layer has no activations
    speed = plot(run.statistics, variable="learning_speed").axes[0]
    assert len(speed.containers) == 3
    np.testing.assert_allclose(speed.containers[2].lines[0].get_ydata(), run.statistics["learning_speed"].sel(layer=3))


def test_histograms_lie_on_their_distributions(distributions, measurement, run):
    ax = plot(distributions, measurement, variable="activation").axes[0]
    points, lines = marks(ax)
    assert len(points) == 2
    for line in lines[-2:]:
        x, density = line.get_data()
        assert np.isclose(np.trapezoid(density, x), 1, atol=0.15)
    assert "After 4 updates" in plot(run.histograms).axes[0].get_title(loc="left")
    alone = plot(distributions, variable="backprop_gradient").axes[0].lines[0].get_data()
    assert np.isclose(np.trapezoid(alone[1], alone[0]), 1, atol=0.02)
    assert plot(distributions.activation(1)).axes[0].lines


def test_runs_and_curves(run):
    ax = plot(run, run).axes[0]
    assert len(ax.containers) == 4
    np.testing.assert_allclose(
        plot(run.curves).axes[0].containers[0].lines[0].get_ydata(), 100 * run.curves["test_error"]
    )
    cost = plot(run.curves, variable="training_cost").axes[0]
    assert cost.get_ylabel() == "cost"


def test_a_sweep_is_its_error_over_what_is_chosen(tmp_path):
    spec = gl.SweepSpec(
        run=gl.RunSpec(network=SPEC, training=TRAINING, data="shapeset"), grid={"learning_rate": [0.01, 1.0]}
    )
    results = gl.SweepResults(tmp_path, spec, ["a", "b"])
    errors = xr.Dataset(
        {"validation_error": (("learning_rate", "activation", "seed"), np.arange(8.0).reshape(2, 2, 2) / 10)},
        {"learning_rate": [0.01, 1.0], "activation": ["tanh", "relu"], "seed": [0, 1]},
    )
    errors["validation_error"].attrs["long_name"] = "share of validation examples misclassified"
    ax = plot(errors).axes[0]
    np.testing.assert_allclose(ax.containers[1].lines[0].get_ydata(), [25, 65])  # relu: means of .2, .3 and .6, .7
    assert ax.get_xscale() == "log"
    assert labels(ax)[:2] == ["activation tanh", "activation relu"]
    assert plot(results).axes[0].get_xlabel() == "learning rate"  # no run has ended: nothing is drawn, nothing fails
    many = errors.isel(activation=[0] * 9, learning_rate=[0, 1] * 5)
    with pytest.raises(InvalidValueError, match="9 combinations of activation: allowed are 8 lines"):
        plot(many)


def test_values_of_theory():
    moments = gl.moments("tanh", [2.0, 0.5, 1.0])
    ax = plot(moments).axes[0]
    assert len(ax.lines) == len(NAMES)
    np.testing.assert_allclose(ax.lines[1].get_data(), [[0.5, 1, 2], moments.second_moment[[1, 2, 0]]])
    fixed = gl.fixed_points("tanh", 2.0, 0.1)
    ax = plot(fixed).axes[0]
    q, v = ax.lines[0].get_data()
    np.testing.assert_allclose(v, 2 * gl.moments("tanh", q).second_moment + 0.1)
    assert ax.lines[2].get_xdata() == [fixed.points[0].q]
    advice = gl.advise(SPEC, inputs=X, labels=Y)
    ax = plot(advice).axes[0]
    assert [text.get_text() for text in ax.get_yticklabels()][-1] == advice.initializers[0].name
    assert ax.lines[-2].get_xdata()[0] == pytest.approx(advice.initializers[0].verdict.signal_ratio)


def test_a_tangent_kernel_has_its_band():
    kernel = gl.tangent_kernel(SPEC, X)
    low, high = kernel.diagonal.band(0.95)
    ax = plot(kernel).axes[0]
    ends = np.array(ax.collections[0].get_segments())[:, :, 1]
    np.testing.assert_allclose(ends, np.transpose([low, high]))
    mean, limit = (line.get_ydata() for line in ax.lines)
    np.testing.assert_allclose(mean - limit, kernel.diagonal.shift, atol=1e-9)
    assert labels(ax) == ["limit of wide layers", "mean at this width, band of 95 %"]
    layers = plot(kernel, variable="layers").axes[0]
    assert len(layers.collections) == len(X)
    np.testing.assert_allclose(layers.lines[1].get_ydata(), kernel.layers.value[:, 0])


def test_a_dataset_of_pictures():
    rng = np.random.default_rng(0)
    data = gl.Dataset.from_arrays(rng.random((30, 16)), np.arange(30) % 3, name="mine")
    ax = plot(data).axes[0]
    assert isinstance(ax.images[0], AxesImage)
    assert ax.get_title(loc="left") == "mine: test examples"


def test_the_users_axes_stay_legible(prediction, measurement):
    """Legend within the figure; title, labels and the user's own curve in the legend as they were."""
    ax = plain_axes()
    ax.plot([1, 2], [0.5, 0.6], label="mine")
    ax.set_title("My title")
    ax.set_ylabel("my label")
    assert plot(prediction, measurement, ax=ax) is ax
    ax.figure.canvas.draw()
    legend, whole = ax.get_legend().get_window_extent(), ax.figure.bbox
    inside = ax.get_window_extent()
    assert whole.x0 <= legend.x0
    assert legend.x1 <= whole.x1
    assert inside.y0 <= legend.y0
    assert legend.y1 <= inside.y1
    assert labels(ax)[0] == "mine"
    assert (ax.get_title(), ax.get_title(loc="left"), ax.get_ylabel()) == ("My title", "", "my label")
    assert ax.get_xlabel() == "layer"
    plot(prediction, ax=ax, variable="learning_speed")
    assert labels(ax).count("mine") == 1
    assert labels(ax).count("predicted") == 1
    other = plain_axes()
    assert plot(prediction, other) is other  # axes in second place


def test_a_phase_diagrams_legend_fits_the_users_axes():
    ax = plain_axes((5, 4))
    plot(gl.phase_diagram("tanh", [0.5, 1.0, 2.0], [0.0, 0.5]), ax=ax)
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().x1 <= ax.get_window_extent().x1
    assert max(map(len, labels(ax))) <= 46


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (lambda p, m, r: (SPEC,), "cannot plot NetworkSpec: allowed are LayerStatistics of a prediction"),
        (lambda p, m, r: (p, r), "in one picture: allowed are statistics over training and LayerStatistics"),
        (lambda p, m, r: (gl.compare(p, m),) * 2, "2 objects in a picture of a Comparison: allowed is one"),
        (lambda p, m, r: (r.statistics, r.statistics), "2 statistics over training: allowed is one a picture"),
        (lambda p, m, r: (m.expand_dims(rate=[1.0, 2.0]),), r"over rate: allowed is .* as in .isel\(rate=0"),
        (lambda p, m, r: (xr.Dataset({"a": ("b", [1.0])}),), "cannot plot Dataset: allowed are"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(objects, message, prediction, measurement, run):
    with pytest.raises(InvalidValueError, match=message):
        plot(*objects(prediction, measurement, run))


@pytest.mark.parametrize(
    ("name", "variable", "message"),
    [
        ("prediction", "speed", "variable 'speed': allowed are fan_in, "),
        ("run", "speed", "variable 'speed': allowed are training_cost, validation_error, test_error"),
        ("distributions", "learning_speed", "variable 'learning_speed': allowed of histograms are activation, "),
    ],
)
def test_a_variable_that_is_not_there_is_refused(name, variable, message, request):
    with pytest.raises(InvalidValueError, match=message):
        plot(request.getfixturevalue(name), variable=variable)
    with pytest.raises(InvalidValueError, match="ax is a str: allowed are axes"):
        plot(request.getfixturevalue(name), ax="here")


def test_the_least_mean_of_a_sweep_is_ringed_though_a_single_run_has_less():
    errors = [[0.5, 0.5], [0.0, 0.9], [0.3, 0.4], [np.nan, np.nan]]
    rates = {"learning_rate": [1.0, 2.0, 3.0, 4.0], "seed": [0, 1]}
    figure = gl.plot(xr.Dataset({"validation_error": (("learning_rate", "seed"), errors)}, rates))
    rings = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "none"]
    assert [list(line.get_xdata()) for line in rings] == [[3.0]]
