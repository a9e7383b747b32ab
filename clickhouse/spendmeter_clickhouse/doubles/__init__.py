"""SQL of calls that may be counted twice, for the query service and `verify`."""
