"""Set up an installation: check it, and export the files that come with it."""
