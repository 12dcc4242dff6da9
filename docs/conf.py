"""Settings of Sphinx: make docs."""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "_extensions"))

import sentiment  # noqa: E402

project = "sentiment"
release = version = sentiment.__version__
author = "the sentiment contributors"
copyright = f"2026, {author}"  # noqa: A001 - a name of Sphinx

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "configuration",
    "examples",
]
exclude_patterns = ["_build", "notebooks", "**/*.ipynb", "reference/generated/*.txt"]
templates_path = ["_templates"]
# Quotes in commands and settings are typed as they are shown.
smartquotes = False

myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3
copybutton_exclude = ".linenos, .gp, .go, .c1"

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections have the types
numpydoc_show_class_members = False

# Nothing is fetched when a page is viewed: search, fonts and icons are files of the site.
html_theme = "pydata_sphinx_theme"
html_title = "sentiment"
html_static_path = ["_static"]
html_css_files = ["site.css"]
# Pages without others beside them.
html_sidebars = {"index": [], "get_started": [], "benchmarks": [], "changelog": []}
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "header_links_before_dropdown": 8,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "default",
    "pygments_dark_style": "github-dark",
}

sphinx_gallery_conf = {
    "examples_dirs": "notebooks",
    "gallery_dirs": "tutorials/notebooks",
    "filename_pattern": "/plot_",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 3600,
    "remove_config_comments": True,
    "write_computation_times": False,
}
