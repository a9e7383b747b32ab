"""DDL of rollups and projections, generated from the catalogue."""
