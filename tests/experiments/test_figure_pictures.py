"""The paper's twelve figures look as they did: what ``glorotlab reproduce --scale quick`` draws, and small pictures.

``GLOROTLAB_REPRODUCTION`` names the folder, as for the site. On another SIMD level than those of the references what is
trained is not compared, nor is figure 12 where its data are not.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import small_pictures
from PIL import Image

from glorotlab.kernels import simd
from glorotlab.plotting.style import OKABE_ITO, finish, new_figure


@pytest.mark.parametrize("name", small_pictures.FIGURES)
def test_a_figure_looks_as_it_did(name):
    if not (folder := os.environ.get("GLOROTLAB_REPRODUCTION")):
        pytest.skip("GLOROTLAB_REPRODUCTION names no folder of glorotlab reproduce --scale quick")
    expected = small_pictures.reference(name, simd.get_level())
    if not expected.exists():
        pytest.skip(f"no reference of what is trained at the SIMD level {simd.get_level()}")
    if not any(Path(folder, name).glob("*.nc")):
        pytest.skip(f"{folder} has no results of {name}: its data are not here")
    moved, tolerance = small_pictures.TOLERANCE[name]
    made = small_pictures.reduced(Path(folder, name, f"{name}.png"))
    assert small_pictures.distance(Image.open(expected), made, moved) <= tolerance


def drawn(path, fault=""):
    """Draw two panels of three curves, with a fault; reduce the picture as the references are."""
    x, colors = np.linspace(1, 5, 9), list(OKABE_ITO[:3])
    titles, names = ["Standard initialization", "Normalized"], ["tanh", "softsign, pre-trained", "sigmoid"]
    if fault == "colours":
        colors.reverse()
    if fault == "labels":
        names.reverse()
    if fault == "titles":
        titles.reverse()
    figure = new_figure(1, 2, size=(9.2, 4.8))
    for ax, title in zip(figure.axes, titles, strict=True):
        for place in range(2 if fault == "curve" else 3):
            shift = 1.004 if fault == "rounding" else 1
            ax.plot(x, shift * np.exp(-(place + 0.5) * x / 2), color=colors[place], label=names[place])
        ax.set_yscale("linear" if fault == "scale" else "log")
        ax.set_ylim(1e-3, 1)
        ax.legend(loc="lower left")
        finish(ax, title, "layer", "root mean square")
    if fault == "panel":
        figure.axes[1].set_visible(False)
    figure.savefig(path)
    return small_pictures.reduced(path)


@pytest.mark.parametrize("fault", ["rounding", "curve", "scale", "colours", "labels", "titles", "panel"])
def test_faults_are_seen_and_rounding_is_not(fault, tmp_path):
    moved, tolerance = small_pictures.TOLERANCE["figure_6"]
    apart = small_pictures.distance(drawn(tmp_path / "sound.png"), drawn(tmp_path / "other.png", fault), moved)
    assert (apart > tolerance) == (fault != "rounding")
