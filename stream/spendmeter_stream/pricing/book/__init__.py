"""The price book: documents become rows, rows become an index of price cards."""
