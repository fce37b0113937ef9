"""Pictures of small objects: what is drawn is what was given, labeled."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

import glorotlab as gl
from glorotlab.errors import InvalidValueError
from glorotlab.plotting import curves, histograms, layers, spectra, steps, style
from glorotlab.plotting.plot import plot

SPEC = gl.NetworkSpec.parse("8,12x2,3")
X, Y = np.random.default_rng(0).normal(size=(6, 8)), np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture
def ax():
    return style.new_figure().axes[0]


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_prediction_is_a_line(ax):
    prediction = gl.predict(SPEC, inputs=X, labels=Y)
    assert plot(prediction, ax=ax) is ax
    assert ax.get_yscale() == "log"
    np.testing.assert_allclose(ax.lines[0].get_ydata(), prediction["preactivation_second_moment"].values)
    assert ax.lines[0].get_linestyle() == "-"
    assert "activation z" in labels(ax)
    assert ax.get_xlabel() == "layer"
    assert "second moment" in ax.get_ylabel()


def test_a_prediction_with_a_band_draws_it(ax):
    prediction = gl.predict(SPEC, inputs=X, labels=Y)
    name = "activation_second_moment"
    banded = prediction.assign({f"{name}_low": prediction[name] * 0.9, f"{name}_high": prediction[name] * 1.1})
    plot(banded, ax=ax)
    assert len(ax.collections) == 1


def test_a_measurement_is_points_with_errors(ax):
    measurement = gl.measure(SPEC, X, Y, seeds=4)
    plot(measurement, ax=ax)
    values = measurement["preactivation_second_moment"].values
    container = ax.containers[0]
    np.testing.assert_allclose(container.lines[0].get_ydata(), values.mean(axis=0))
    bar = container.lines[2][0].get_segments()[0]
    np.testing.assert_allclose(np.ptp(bar[:, 1]) / 2, values[:, 0].std(ddof=1) / 2)
    assert container.lines[0].get_linestyle() == "None"


def test_a_comparison_is_ratios_about_one():
    comparison = gl.compare(gl.predict(SPEC, inputs=X, labels=Y), gl.measure(SPEC, X, Y, seeds=3))
    ax = plot(comparison).axes[0]
    ratios = [entry.ratio for entry in comparison.select("preactivation_second_moment")]
    np.testing.assert_allclose(ax.containers[0].lines[0].get_ydata(orig=False), ratios)
    assert any(list(line.get_ydata()) == [1.0, 1.0] for line in ax.lines)
    assert "prediction" in labels(ax)


def test_a_run_is_error_curves():
    data = gl.Dataset.from_arrays(X, Y)
    run = gl.train(gl.RunSpec(network=SPEC, training=gl.TrainingSpec(updates=4, batch_size=2)), dataset=data)
    ax = plot(run).axes[0]
    np.testing.assert_allclose(ax.containers[0].lines[0].get_ydata(), 100 * run.curves["test_error"].values)
    assert labels(ax) == ["test error", "validation error"]
    assert "%" in ax.get_ylabel()


@pytest.mark.parametrize("thing", [3, "text", None, [1, 2]])
def test_what_cannot_be_drawn_is_refused(thing):
    with pytest.raises(InvalidValueError, match=r"cannot plot .*: allowed are LayerStatistics"):
        plot(thing)


def test_statistics_without_second_moments_are_refused():
    with pytest.raises(InvalidValueError, match="second_moment"):
        plot(gl.predict(SPEC, inputs=X)[["weight_variance"]])


def test_densities_integrate_to_one():
    counts, edges = np.array([[1.0, 3.0, 4.0]]), np.array([0.0, 0.5, 1.0, 3.0])
    np.testing.assert_allclose(histograms.densities(counts, edges) @ np.diff(edges), 1)


def test_histograms_leave_empty_bins_out(ax):
    histograms.draw_histogram(ax, np.array([[0.0, 2.0, 2.0], [0.0, 1.0, 3.0]]), np.arange(4.0), color="k")
    np.testing.assert_allclose(ax.lines[0].get_xdata(), [1.5, 2.5])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.375, 0.625])


def test_one_network_has_no_error_bar(ax):
    layers.draw_measurement(ax, np.array([[1.0, 2.0]]), color="k")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [1, 2])
    (bars,) = ax.collections
    assert not any(len(segment) for segment in bars.get_segments())
    ax.figure.canvas.draw()


def test_the_papers_value_is_hollow(ax):
    layers.draw_paper(ax, np.array([1.0]), np.array([0.8]), color="C0")
    assert ax.lines[0].get_markerfacecolor() == "none"
    assert ax.lines[0].get_linestyle() == "None"


def test_statistics_over_steps(ax):
    at = np.array([0.0, 1000.0])
    steps.draw_mean_and_std(ax, at, np.array([0.5, 0.4]), np.array([0.1, 0.2]), color="C0")
    steps.draw_percentile_and_std(ax, at, np.array([0.9, 0.8]), np.array([0.3, 0.2]), color="C1")
    steps.draw_start(ax, 0.0, 0.7, color="C1")
    steps.update_ticks(ax)
    assert ax.xaxis.get_major_formatter()(2000) == "2 k"
    np.testing.assert_allclose(np.ptp(ax.containers[0].lines[2][0].get_segments()[1][:, 1]), 0.4)
    assert [line.get_marker() for line in ax.lines[-3:]] == ["o", "None", "x"]


def test_error_curves_are_in_per_cent(ax):
    curves.draw_error_curve(ax, np.array([0.0, 1.0]), np.array([[0.5, 0.2], [0.7, 0.2]]), color="C0")
    np.testing.assert_allclose(ax.containers[0].lines[0].get_ydata(), [60, 20])


def test_colors_tell_layers_apart():
    assert len(set(style.layer_colors(9))) == 9
    assert len(style.layer_colors(1)) == 1
    assert len(set(style.OKABE_ITO)) == len(style.OKABE_ITO)


def test_plotting_needs_no_display_and_no_pyplot():
    program = (
        "import sys, glorotlab as gl; f = gl.plot(gl.predict(gl.NetworkSpec.parse('3,9,2'), input_second_moment=1.0));"
        "f.canvas.draw(); print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "False"


def test_plot_makes_a_figure():
    assert isinstance(plot(gl.predict(SPEC, input_second_moment=1.0)), Figure)


def test_the_curve_of_a_spectrum_ends_at_zero_and_bends_where_the_density_does():
    """Two examples of unlike size: a corner where the first spectrum ends, a square root where the second does."""
    spec = gl.NetworkSpec.parse("20,60x2,5", activation="tanh", initializer="lecun_normal")
    x = np.concatenate([np.full((9, 20), 0.3), np.full((1, 20), 3.0)])
    spectrum = gl.jacobian_spectrum(spec, x, layer=2)
    sigma, density = spectra.curve(spectrum)
    height = density.max()
    assert density[-1] < 0.01 * height
    between = np.exp(np.log(sigma[:-1]) + np.diff(np.log(sigma)) * np.linspace(0.1, 0.9, len(sigma) - 1))
    drawn = np.interp(np.log(between), np.log(sigma), density)
    np.testing.assert_allclose(drawn, between * spectrum.density(between), atol=0.02 * height)
    np.testing.assert_allclose(np.trapezoid(density, np.log(sigma)), 1, atol=0.01)
