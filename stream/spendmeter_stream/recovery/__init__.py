"""After a crash: confirm that a block landed, and reconcile the days of suspect blocks."""
