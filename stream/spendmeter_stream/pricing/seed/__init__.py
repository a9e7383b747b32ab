"""Seed the price book from genai-prices."""
