"""One answer each."""
