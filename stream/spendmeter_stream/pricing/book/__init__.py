"""The price book: parse documents to rows, and index rows as price cards."""
