"""Plan a query and build its SQL with bound parameters from window, filters and catalogue."""
