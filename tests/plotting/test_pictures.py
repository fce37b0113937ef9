"""Contact sheets: each picture in the row of its class, each pixel in its place."""

import numpy as np
import pytest

from glorotlab.errors import InvalidValueError
from glorotlab.plotting.pictures import GAP, as_pictures, contact_sheet, draw_contact_sheet
from glorotlab.plotting.style import new_figure


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sheet_has_a_row_for_each_class_and_the_first_pictures_in_it(channels):
    side, columns = 5, 3
    rng = np.random.default_rng(1)
    levels = rng.uniform(-1, 1, (20, channels, side, side))
    levels[0, 0, 0, 0], levels[1, 0, 0, 0] = -1, 1
    labels = np.array([2, 0] * 8 + [3] * 4)
    ax = new_figure().axes[0]
    draw_contact_sheet(ax, levels.reshape(20, -1), labels, ["a", "b", "c", "d", "e"], columns)
    sheet = np.asarray(ax.images[0].get_array())
    sheet = sheet if channels == 3 else sheet[..., np.newaxis]
    assert sheet.shape == (5 * (side + GAP) - GAP, columns * (side + GAP) - GAP, channels)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b", "c", "d", "e"]
    for label in range(5):
        own = np.flatnonzero(labels == label)
        for column in range(columns):
            top, left = label * (side + GAP), column * (side + GAP)
            cell = sheet[top : top + side, left : left + side]
            expected = 1.0 if column >= len(own) else (levels[own[column]].transpose(1, 2, 0) + 1) / 2
            np.testing.assert_allclose(cell, np.broadcast_to(expected, cell.shape))


def test_names_lie_inside_the_figure():
    figure = contact_sheet(np.eye(16), np.arange(16) % 3, ["a", "a name that is longer than others", "b"])
    figure.canvas.draw()
    for text in figure.axes[0].get_yticklabels():
        assert text.get_window_extent().x0 >= 0
    assert [text.get_text() for text in contact_sheet(np.eye(4), np.arange(4)).axes[0].get_yticklabels()] == [*"0123"]


def test_inputs_that_are_no_picture():
    for inputs in (2, 6, 12 * 12 + 1, 2 * 25):
        with pytest.raises(InvalidValueError, match=f"{inputs} inputs are not a picture: allowed are side x side"):
            as_pictures(np.zeros((2, inputs)))
    with pytest.raises(InvalidValueError, match="no pictures to draw"):
        contact_sheet(np.zeros((0, 16)), np.zeros(0, int))
    assert as_pictures(np.zeros((2, 1))).shape == (2, 1, 1, 1)
    np.testing.assert_array_equal(as_pictures(np.full((2, 12), 3.0)), np.zeros((2, 2, 2, 3)))
