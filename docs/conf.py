"""The site: ``sphinx-build -W docs build/site`` with the extra ``docs``; no page asks anything of a network."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small work: threads would wait for each other
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent)]

import glorotlab  # noqa: E402

project = "glorotlab"
author = "The glorotlab developers"
project_copyright = author
version = release = glorotlab.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "complete",
    "derivation",
    "experiment",
    "explorer",
    "mathml",
    "printed_numbers",
    "run",
]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}  # pages of names are the first kind
exclude_patterns = ["build", "examples", "gallery/**.ipynb", "**/jupyter_execute"]

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

# The tutorial is run; what it writes to standard error is a warning.
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_output_stderr = "warn"

autosummary_generate = True
autodoc_typehints = "none"  # types stand in the parameters' slots
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_title = "glorotlab"
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#005f94", "color-brand-content": "#005f94"},
    "dark_css_variables": {"color-brand-primary": "#7cc4ee", "color-brand-content": "#7cc4ee"},
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": "/plot_",
    "image_scrapers": ("figures.scraper",),
    "reset_modules": ("figures.reset",),
    "remove_config_comments": True,
    "capture_repr": (),  # what a script prints is enough
    "within_subsection_order": "FileNameSortKey",
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
    "download_all_examples": False,
    "abort_on_example_error": False,
    "only_warn_on_example_error": False,
    "min_reported_time": 1000,
}

# Results of `glorotlab reproduce --out DIR`, which the pages about the paper show where they are.
glorotlab_reproduction = os.environ.get("GLOROTLAB_REPRODUCTION", str(HERE.parent / "reproduction"))
