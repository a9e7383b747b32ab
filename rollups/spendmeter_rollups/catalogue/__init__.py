"""Dimensions, aggregates and money: the one list of what can be asked."""
