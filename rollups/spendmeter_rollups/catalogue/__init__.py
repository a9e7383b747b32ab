"""The rollups that the planner chooses from, the aggregates computed from sums, and money."""
