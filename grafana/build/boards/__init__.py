"""One module a board; each has `build()`."""
