"""Evaluate spend against budgets and usual spend. Pure."""
