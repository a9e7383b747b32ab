"""CSV export of the call log, time series and breakdowns."""
