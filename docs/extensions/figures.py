"""Pictures of the gallery: every matplotlib figure that a script's names hold, be it of ``gl.plot`` or of pyplot."""

from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

DOTS_PER_INCH = 170

_saved: set[int] = set()


def scraper(_block: Any, variables: dict[str, Any], conf: dict[str, Any]) -> str:
    """Save the figures that are new since the last block; each title is the alternative text."""
    files, titles = [], []
    names = variables["example_globals"]
    for figure in {id(value): value for value in names.values() if isinstance(value, Figure)}.values():
        if id(figure) in _saved:
            continue
        _saved.add(id(figure))
        file = next(variables["image_path_iterator"])
        figure.savefig(file, dpi=DOTS_PER_INCH)
        files.append(file)
        titles.append(describe(figure))
    return str(figure_rst(files, conf["src_dir"], " ".join(titles)))


def reset(_conf: dict[str, Any], _file: str) -> None:
    """Give each script matplotlib as it is, without figures of the script before."""
    import matplotlib.pyplot as plt

    _saved.clear()
    plt.close("all")
    mpl.rcdefaults()
    mpl.use("agg")


def describe(figure: Figure) -> str:
    """Return what a figure says of itself, for those who do not see it."""
    texts = [figure.get_suptitle()]
    for ax in figure.axes:
        title = ax.get_title() or ax.get_title(loc="left")
        texts.append(f"{title}: {ax.get_ylabel()} over {ax.get_xlabel()}" if ax.get_xlabel() else title)
    return "; ".join(dict.fromkeys(text.replace("\n", " ") for text in texts if text))
