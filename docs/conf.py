"""How `make docs` builds the documentation: offline, every warning an error."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
from example_sources import write_sources

project = "naslab"
version = release = installed("naslab")
copyright = "the authors of naslab"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx_gallery.gen_gallery",
    "naslab_reference",
]
root_doc = "index"
exclude_patterns = ["_build", "README.md"]
html_theme = "furo"
html_title = "naslab"
html_static_path = ["_static"]
html_css_files = ["naslab.css"]
html_copy_source = False
html_show_sourcelink = False
sphinx_gallery_conf = {
    "examples_dirs": write_sources(Path(__file__).parent / "_build" / "examples"),
    "gallery_dirs": "reference/generated/examples",
    "plot_gallery": "False",
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "image_scrapers": (),
    "reset_modules": (),
}
default_role = "code"
"""Docstrings write code in single backticks."""
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nitpicky = False
linkcheck_ignore = [r"https?://"]
"""Links to the outside are not followed: the build asks nothing of the network."""
