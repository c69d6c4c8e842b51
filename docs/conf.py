"""The documentation: `sphinx-build -W -n --keep-going docs OUT`."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "calibrate"
author = "The calibrate developers"
copyright = author
version = release = version_of("calibrate-snn")

extensions = ["myst_parser", "reference"]
source_suffix = {".md": "markdown"}
smartquotes = False  # "file.py:name" is typed as it stands
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Types in signatures, such as Path, have no page here; links in the text are Markdown's, and are all checked.
nitpick_ignore_regex = [("py:.*", ".*")]
python_maximum_signature_line_length = 80
toc_object_entries = False

html_theme = "furo"
html_title = f"calibrate {version}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"top_of_page_buttons": []}
