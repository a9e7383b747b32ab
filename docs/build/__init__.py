"""Generated parts of the documentation. `python -m docs.build` rewrites them; a test compares them with the code."""
