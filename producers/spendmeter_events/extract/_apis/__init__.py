"""One module per provider API: complete responses, streams and batch lines."""
