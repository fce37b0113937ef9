"""Picture files of the user, read with nothing trusted: each becomes a small gray square, or is refused."""

import stat
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 100_000_000
"""Largest picture that is decoded: a file of a few kilobytes can claim to hold billions of pixels."""

ENDINGS = (".jpeg", ".jpg", ".png")


def read_grey_square(path: Path, side: int) -> NDArray[np.uint8] | None:
    """Return the middle square of a picture in gray; each pixel is the mean of the area it covers.

    Parameters
    ----------
    path : Path
        JPEG or PNG file, whatever its ending.
    side : int
        Pixels of a side of the result.

    Returns
    -------
    uint8 array of shape (side * side,), or None
        Row by row; None where the file is no whole picture, or one of more than 100 million pixels.
    """
    from PIL import Image

    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would wait, a device never end
            return None
        with warnings.catch_warnings(), Image.open(path, formats=("JPEG", "PNG")) as picture:
            warnings.simplefilter("ignore")  # of damaged metadata, which does not matter here
            width, height = picture.size
            if width * height > MAX_PIXELS:
                return None
            edge = min(width, height)
            left, top = (width - edge) / 2, (height - edge) / 2
            square = (left, top, left + edge, top + edge)
            small = picture.convert("L").resize((side, side), Image.Resampling.BOX, box=square)
        return np.asarray(small, np.uint8).ravel()
    except Exception:  # damage shows in zlib, struct and every plugin of Pillow, in many ways
        return None
