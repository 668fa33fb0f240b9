"""How Sphinx builds these pages: MyST Markdown, furo, no network.

Runs in: the documentation build.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import pyshell  # noqa: E402  (found by the line above, so that the pages are built from this very tree)

project = "pyshell"
author = "pyshell contributors"
project_copyright = "pyshell contributors"
release = version = pyshell.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"pyshell {release}"

myst_enable_extensions = ["deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"

nitpicky = False
suppress_warnings = ["misc.highlighting_failure"]
