"""Decide which spend is unusual or over budget. Pure."""
