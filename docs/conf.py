"""The documentation site: ``make docs`` builds it into docs/_build, without a network."""

import sys
import warnings
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # docstrings.py, generated.py

# tutorials keep the warm start on purpose, and say so
warnings.filterwarnings("ignore", ".*adversarial steps are few")

project = "tsgan"
author = copyright = "The tsgan developers"
version = release = version_of("tsgan")

extensions = [
    "docstrings",
    "generated",
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "tutorials/**.ipynb", "tutorials/**.py"]
templates_path = ["_templates"]
suppress_warnings = ["config.cache"]  # sphinx-gallery's settings hold functions of its own

nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!tsgan).*"),  # names of other packages: their sites are not asked
    ("py:mod", r"tsgan\..*"),  # modules that docstrings name for readers of the code
]

smartquotes = False  # would turn -- of an option into a dash
default_role = "autolink"
autodoc_typehints = "none"  # numpydoc's parameter lists say what is taken, in words
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the template lists them
numpydoc_class_members_toctree = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"

plot_formats = [("png", 150)]
plot_html_show_formats = plot_html_show_source_link = False
plot_basedir = str(Path(__file__).parent)

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "tutorials",
    "filename_pattern": r"/(?!backtest_engine)\w+\.py$",  # which needs a package under the AGPL
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "capture_repr": ("_repr_html_",),
    "download_all_examples": False,
    "min_reported_time": 600,
    "show_memory": False,
    "show_signature": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "tsgan"
html_extra_path = ["llms.txt"]
html_show_sourcelink = False
html_sidebars = {"*": []}  # pages without pages below them
html_theme_options = {
    "header_links_before_dropdown": 4,
    "navigation_with_keys": False,
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
