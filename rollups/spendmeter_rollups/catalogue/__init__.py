"""The catalogue of dimensions and measures, the aggregates computed from them, and money."""
