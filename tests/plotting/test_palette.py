"""Colors stay apart for readers who see two of the three primary colors, and layers differ in lightness.

Vision is simulated by the matrices of Machado, Oliveira & Fernandes (2009), "A physiologically-based model for
simulation of color vision deficiency", IEEE TVCG 15(6), severity 1, on linear RGB. Distances are those of CIE L*a*b*
(1976), in which 2.3 is just noticed (Mahy, Van Eycken & Oosterlinck 1994).
"""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from glorotlab.plotting.style import OKABE_ITO, layer_colors

VISION = {
    "all primaries": np.eye(3),
    "no red (protanopia)": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green (deuteranopia)": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue (tritanopia)": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}

XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""CIE XYZ of sRGB's primaries (IEC 61966-2-1)."""

APART = 10
"""Least distance of two colors: four times what is just noticed."""


def lab(colors, vision):
    """Return L*, a* and b* of colors as they are seen."""
    rgb = np.array([to_rgb(color) for color in colors])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(VISION[vision]), 0, 1) @ XYZ.T / XYZ.sum(axis=1)
    x, y, z = np.where(seen > (6 / 29) ** 3, np.cbrt(seen), seen / (3 * (6 / 29) ** 2) + 4 / 29).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def closest(colors, vision):
    """Return the distance of the two colors that are most alike."""
    return min(np.linalg.norm(one - other) for one, other in itertools.combinations(lab(colors, vision), 2))


@pytest.mark.parametrize("vision", VISION)
def test_no_two_colours_are_alike(vision):
    assert closest(OKABE_ITO, vision) > APART


@pytest.mark.parametrize("vision", ["no red (protanopia)", "no green (deuteranopia)"])
def test_matplotlibs_own_colours_are_told_to_be_alike(vision):
    """The test can fail: brown, green, orange and red of the usual cycle are not kept apart."""
    assert closest([f"C{place}" for place in range(8)], vision) < APART


def test_distances_are_those_of_the_standard():
    """White has lightness 100, black 0; L*a*b* of sRGB red is (53.24, 80.09, 67.20), as CIE's formulas give it."""
    np.testing.assert_allclose(
        lab(["white", "black", "red"], "all primaries"), [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]], atol=0.02
    )


@pytest.mark.parametrize("vision", VISION)
def test_layers_get_lighter_in_every_vision(vision):
    lightness = lab(layer_colors(9), vision)[:, 0]
    assert (np.diff(lightness) > 2.3).all()
