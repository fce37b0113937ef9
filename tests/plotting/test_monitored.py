"""One picture shows all modules over all steps, with the prediction beside the first record."""

import numpy as np
import pytest
from modules import MODULES, monitored, predicted

import glorotlab as gl
from glorotlab.errors import InvalidValueError


@pytest.fixture
def statistics():
    return monitored()


def panels(figure):
    """The three axes of each panel: first record, colors, scale."""
    inside = figure.axes[0].child_axes
    return [inside[place : place + 3] for place in range(0, len(inside), 3)]


def test_all_modules_and_steps_are_in_one_picture(statistics):
    figure = gl.plot(statistics, predicted())
    result, update = panels(figure)
    colours = result[1].collections[0].get_array()
    before, after = statistics["preactivation_second_moment"].values, statistics["activation_second_moment"].values
    expected = np.stack([before[:, 0], after[:, 1], before[:, 2]])
    np.testing.assert_array_equal(colours, expected)
    line, points = result[0].lines
    np.testing.assert_array_equal(points.get_xdata(), expected[:, 0])
    np.testing.assert_array_equal(line.get_xdata(), [1.5, 1.1, 1.7])  # found by the modules' names
    (band,) = result[0].collections
    low, high = (end(band.get_paths()[0].vertices[:, 0]) for end in (np.min, np.max))
    assert (low, high) == (1.0, 2.2)
    assert [label.get_text() for label in result[0].get_yticklabels()] == MODULES
    assert update[1].collections[0].get_array().mask[1].all()  # a module without weights has no color
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["first record", "predicted, band of one network (95%)"]


def test_one_variable_is_drawn_alone(statistics):
    ((profile, _, _),) = panels(gl.plot(statistics, variable="update_weight_ratio"))
    assert profile.get_xscale() == "log"
    ((profile, _, _),) = panels(gl.plot(statistics, variable="weight_variance"))
    assert profile.get_xscale() == "linear"  # it has both signs here


@pytest.mark.parametrize(("low", "high"), [(1.2, 1.7), (0.9, 8.0), (0.03, 0.3), (1e-9, 1e-2)])
def test_a_narrow_axis_has_a_few_labels(low, high, statistics):
    statistics["update_weight_ratio"] = statistics["update_weight_ratio"] * 0 + np.geomspace(low, high, 3)
    ((profile, _, _),) = panels(gl.plot(statistics, variable="update_weight_ratio"))
    axis, (least, most) = profile.xaxis, profile.get_xlim()
    places = zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=True)
    assert 2 <= sum(bool(label.get_text()) for place, label in places if least <= place <= most) <= 4
    assert not any(label.get_text() for label in axis.get_ticklabels(minor=True))


def test_what_cannot_be_drawn_is_refused(statistics):
    with pytest.raises(InvalidValueError, match="2 monitors and 0 predictions"):
        gl.plot(statistics, statistics)
    with pytest.raises(InvalidValueError, match="variable 'learning_speed': allowed are preactivation_second_moment"):
        gl.plot(statistics, variable="learning_speed")
    with pytest.raises(InvalidValueError, match="variable 'speed': allowed are preactivation_second_moment"):
        gl.plot(statistics, variable="speed")
