"""Rebuild a month of rollups from raw events while ingestion goes on."""
