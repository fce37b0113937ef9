"""The phase diagram against single points, the critical line's definition and hand-placed initializers."""

import math
from functools import cache

import gaussian_reference as reference
import numpy as np
import pytest
import xarray as xr

import glorotlab as gl
from glorotlab import activations, initializers
from glorotlab.errors import InvalidValueError, UnknownNameError
from glorotlab.plotting import style
from glorotlab.theory.phases import correlation_map

W, B = np.array([0.6, 1.0, 1.7, 2.0, 3.1]), np.array([0.0, 0.05, 0.4])
GRID = ("q", "slope", "chi_1", "correlation", "correlation_slope")
DEPTHS = ("variance_depth", "correlation_depth", "gradient_depth", "trainable_depth")


@pytest.mark.parametrize("name", ["tanh", "relu", "gelu", "x*exp(-x**2)"])
def test_the_grid_holds_the_points_that_signals_reach(name):
    """The grid takes the Hermite series where it can, single points pair moments alone."""
    diagram = gl.phase_diagram(name, W, B, initializers=[])
    for i, w in enumerate(W):
        for j, b in enumerate(B):
            point = gl.fixed_points(name, w, b).reached(1.0)
            row = diagram.isel(weight_variance=i, bias_variance=j)
            for variable in GRID:
                np.testing.assert_allclose(row[variable], getattr(point, variable), rtol=1e-7, atol=1e-7)
            for variable in DEPTHS:
                np.testing.assert_allclose(row[variable], getattr(point, variable), rtol=1e-4)
            assert str(row["phase"].values) == point.phase
    assert diagram.attrs["numerical_error"] < 1e-6


def test_many_points_by_the_series():
    """Enough points that the series is used, near the critical line too."""
    w, b = np.linspace(1.4, 4, 9), np.linspace(0, 0.3, 7)
    diagram = gl.phase_diagram("selu", w, b, initializers=[])
    assert (diagram["phase"] == "chaotic").sum() > 24
    for i in range(0, 9, 3):
        for j in range(0, 7, 2):
            point = gl.fixed_points("selu", w[i], b[j]).reached()
            assert float(diagram["correlation"][i, j]) == pytest.approx(point.correlation, abs=1e-7)


@pytest.mark.parametrize("name", ["tanh", "silu", "x*exp(-x**2)"])
def test_the_series_is_the_pair_moment(name):
    """Of smooth f all of E f^2 is in the series; its derivative is q E f'(s_1) f'(s_2)."""
    q, c = np.array([0.3, 2.0]), np.array([0.8, 0.2])
    pairs, lost = correlation_map.series(activations.get(name), q, gl.moments(name, q).second_moment)
    exact = gl.pair_moments(name, q, q, c)
    np.testing.assert_allclose(pairs(c), [exact.second_moment, q * exact.derivative_second_moment], rtol=1e-9)
    assert (lost < 1e-6).all()


@pytest.mark.parametrize("name", ["tanh", "gelu", "elu", "sigmoid"])
def test_on_the_critical_line_q_is_fixed_and_chi_1_is_1(name):
    diagram = gl.phase_diagram(name, [1.0], [0.0], initializers=[])
    f, slope = reference.FUNCTIONS[name]
    columns = [diagram[f"critical_{name}"].values for name in ("q", "weight_variance", "bias_variance")]
    rows = [row for row in np.transpose(columns) if 1e-3 < row[0] < 1e2]
    assert len(rows) > 10
    for q, w, b in rows[::9]:
        if math.isnan(w):
            continue
        assert b >= 0
        assert w * reference.single(lambda s: slope(s) ** 2, q) == pytest.approx(1, rel=1e-10)
        assert w * reference.single(lambda s: f(s) ** 2, q) + b == pytest.approx(q, rel=1e-10)


def test_the_critical_line_of_relu_is_a_point():
    diagram = gl.phase_diagram("relu", [1.0], [0.0], initializers=[])
    assert set(diagram["critical_weight_variance"].values) == {2.0}
    assert set(diagram["critical_bias_variance"].values) == {0.0}
    assert [point.weight_variance for point in gl.critical_points("relu", 0.0)] == [2.0]
    assert gl.critical_points("relu", 0.1) == ()


def test_a_line_that_signals_leave_is_told():
    """silu at sigma_b^2 = .04: chi_1 = 1 at an unstable fixed point only."""
    (point,) = gl.critical_points("silu", 0.04)
    assert point.slope > 1
    found = gl.fixed_points("silu", point.weight_variance, 0.04, tolerance=1e-5)
    assert [each.stability for each in found.points if each.phase == "critical"] == ["unstable"]


def test_initialisers_of_a_rectangular_layer():
    """Var[W] of each by hand for fan_in 100 and fan_out 400."""
    diagram = gl.phase_diagram("tanh", [1.0], [0.0], fan_in=100, fan_out=400)
    by_hand = {
        "standard_uniform": (1 / 300, 0),
        "glorot_uniform": (2 / 500, 0),
        "glorot_normal": (2 / 500, 0),
        "he_uniform": (2 / 100, 0),
        "he_normal": (2 / 100, 0),
        "lecun_uniform": (1 / 100, 0),
        "lecun_normal": (1 / 100, 0),
        "orthogonal": (1 / 400, 0),
        "torch_default": (1 / 300, 1 / 300),
        "nielsen_default": (1 / 100, 1),
        "nielsen_large": (1, 1),
        "normal(std=0.05)": (0.05**2, 0),
        "truncated_normal(std=0.05)": (0.05**2, 0),
        "uniform(bound=0.05)": (0.05**2 / 3, 0),
        "sparse(k=15)": (15 / 100, 0),
    }
    assert diagram["initializer"].values.tolist() == list(by_hand)
    variance, bias = np.transpose(list(by_hand.values()))
    np.testing.assert_allclose(diagram["initializer_weight_variance"], 100 * variance)
    np.testing.assert_allclose(diagram["initializer_bias_variance"], bias)
    ratio = diagram["initializer_gradient_factor"] / diagram["initializer_chi_1"]
    np.testing.assert_allclose(ratio, 4.0)
    chosen = diagram.sel(initializer="he_normal")
    assert float(chosen["initializer_q"]) == pytest.approx(gl.fixed_points("tanh", 2.0).reached().q)
    assert str(diagram.sel(initializer="glorot_normal")["initializer_phase"].values) == "ordered"


@pytest.mark.parametrize("name", ["orthogonal", "truncated_normal(std=0.07)", "glorot_uniform", "sparse(k=7)"])
def test_placed_where_drawn_weights_are(name):
    """Fan_in times the mean square of drawn weights.

    100 matrices of 60 x 90: the mean of 540,000 squares has relative standard deviation at most
    sqrt((kurtosis - 1) / 540,000) < .7 %; five of them fail once in a million, and 7 % would be seen as surely.
    """
    diagram = gl.phase_diagram("tanh", [1.0], [0.0], initializers=[name], fan_in=60, fan_out=90)
    rng, record = np.random.default_rng(3), initializers.get(name)
    squares = [np.mean(record.sample(rng, 60, 90) ** 2) for _ in range(100)]
    error = math.sqrt(max(record.excess_kurtosis(60, 90) + 2, 0.1) / 540_000)
    placed = float(diagram["initializer_weight_variance"][0])
    assert abs(60 * np.mean(squares) / placed - 1) < 5 * error
    assert 10 * error < 0.07


def test_a_glorot_layer_is_critical_for_tanh_and_half_of_it_for_relu():
    for name, chi_1 in (("tanh", 1.0), ("relu", 0.5), ("linear", 1.0)):
        diagram = gl.phase_diagram(name, [1.0], [0.0], initializers=["glorot_normal"])
        assert float(diagram["initializer_chi_1"][0]) == pytest.approx(chi_1, abs=1e-12)


def test_the_input_decides_between_two_fixed_points():
    low, high = (
        gl.phase_diagram("gelu", [2.5], [0.0], initializers=[], input_second_moment=q)["q"].item() for q in (0.5, 0.9)
    )
    assert (low, high) == (0.0, math.inf)


@cache
def diagram_of(name):
    return gl.phase_diagram(name, W, B)


def test_it_is_saved_and_read(tmp_path):
    diagram = diagram_of("tanh")
    diagram.to_netcdf(tmp_path / "phases.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "phases.nc") as read:
        np.testing.assert_array_equal(read["chi_1"], diagram["chi_1"])
        assert read["initializer"].values.tolist() == diagram["initializer"].values.tolist()
    assert all(diagram[name].attrs["long_name"] for name in diagram.variables if name != "initializer")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight_variance": []}, "weight_variance of shape"),
        ({"weight_variance": [[1.0]]}, "weight_variance of shape"),
        ({"weight_variance": [0.0]}, "weight_variance = 0"),
        ({"bias_variance": [-1.0]}, "bias_variance = -1"),
        ({"fan_in": 0}, "fan_in 0: allowed are whole numbers from 1"),
        ({"fan_out": 2.5}, "fan_out 2.5: allowed are whole numbers from 1"),
        ({"input_second_moment": 0}, "input_second_moment 0: allowed are numbers from 1e-100"),
        ({"weight_variance": np.ones(1000), "bias_variance": np.ones(1000)}, "1000 x 1000 points"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(InvalidValueError, match=message):
        gl.phase_diagram("tanh", **arguments)


def test_an_unknown_initializer_is_refused():
    with pytest.raises(UnknownNameError, match="initializer"):
        gl.phase_diagram("tanh", [1.0], [0.0], initializers=["glorot"])


# The picture


def drawn(name):
    figure = gl.plot(diagram_of(name))
    ax = figure.axes[0]
    return figure, ax, [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_picture_names_every_initializer_once_and_draws_the_line():
    figure, ax, legend = drawn("tanh")
    assert all(sum(f" {name}" in label for label in legend) == 1 for name in ("he_uniform", "orthogonal", "uniform("))
    assert "critical line, χ₁ = 1" in legend
    assert "fan_in Var[W]" in ax.get_xlabel()
    assert "σ_b²" in ax.get_ylabel()
    assert "χ₁" in figure.axes[1].get_ylabel()
    line = ax.lines[0].get_xydata()
    assert np.nanmin(line[:, 0]) == pytest.approx(1.0)
    far = next(label for label in legend if "nielsen_large" in label)
    assert far.startswith("(1000, 1), beyond the axes")
    marker = next(line for line in ax.lines if line.get_marker() != "None" and line.get_xdata()[0] == ax.get_xlim()[1])
    assert marker.get_clip_on() is False


def test_the_picture_tells_where_signals_grow_and_where_the_line_repels():
    _, _, legend = drawn("gelu")
    assert "χ₁ = 1, but q unstable" in legend
    assert "no finite fixed point: signals grow" in legend
    _, ax, legend = drawn("relu")
    assert "critical point, χ₁ = 1" in legend
    assert ax.lines[0].get_xydata().tolist() == [[2.0, 0.0]]


def test_it_draws_on_given_axes():
    ax = style.new_figure().axes[0]
    assert gl.plot(diagram_of("tanh"), ax=ax) is ax
