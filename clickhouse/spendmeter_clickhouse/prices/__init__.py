"""Prices as stored: the cards behind costs."""
