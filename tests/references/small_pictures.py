"""Small pictures of the paper's twelve figures at quick scale, and how far a picture is from one of them.

``python tests/references/small_pictures.py REPRODUCTION`` makes them of a folder of ``glorotlab reproduce --scale
quick``. Run it where a figure is changed on purpose, and look at what it made. The SIMD level fixes the bits of a
training, so that figures of what was trained have a picture for each level: run it under each ``GLOROTLAB_SIMD``, on
a folder of its own.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from scipy.ndimage import maximum_filter, minimum_filter

PICTURES = Path(__file__).parent / "figures"
FIGURES = tuple(f"figure_{number}" for number in range(1, 13))
TRAINED = ("figure_3", "figure_4", "figure_9", "figure_10", "figure_11")
"""Figures whose pictures differ between SIMD levels; of figure 12 see ``TOLERANCE``."""

WIDTH, BLUR = 200, 0.7
"""Pixels: large enough for curves, and so small that letters of another version of matplotlib look the same."""

STEP = 16
"""Levels of colour are rounded to multiples of this, which makes files small; one step is no difference."""

TOLERANCE = dict.fromkeys(FIGURES, (1, 0.4)) | {"figure_12": (5, 1.2)}
"""How many pixels things may have moved, and the largest distance, of 255.

Figure 12 trains on photographs, of which there are copies that differ: its curves are only about where they were.
"""


def reference(name: str, level: str) -> Path:
    """Return where the picture of a figure is."""
    return PICTURES / (level if name in TRAINED else "") / f"{name}.png"


def reduced(path: Path) -> Image.Image:
    """Return a picture made small, a little blurred, in few colours."""
    picture = Image.open(path).convert("RGB")
    size = WIDTH, round(picture.height * WIDTH / picture.width)
    blurred = picture.resize(size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(BLUR))
    return blurred.point(lambda level: min((level + STEP // 2) // STEP * STEP, 255))


def distance(one: Image.Image, other: Image.Image, moved: int) -> float:
    """Return the root mean square of what no pixel within ``moved`` pixels of the same place has, in either picture."""
    if one.size != other.size:
        return np.inf
    arrays = np.asarray(one, float), np.asarray(other, float)
    window = (2 * moved + 1, 2 * moved + 1, 1)
    strange = []
    for here, there in (arrays, arrays[::-1]):
        beyond = np.maximum(minimum_filter(there, window) - here, here - maximum_filter(there, window)).max(axis=2)
        strange.append(np.sqrt(np.mean(np.where(beyond > STEP, beyond, 0) ** 2)))
    return float(max(strange))


if __name__ == "__main__":
    from glorotlab.kernels import simd

    for name in FIGURES:
        target = reference(name, simd.get_level())
        target.parent.mkdir(parents=True, exist_ok=True)
        reduced(Path(sys.argv[1], name, f"{name}.png")).save(target, optimize=True)
