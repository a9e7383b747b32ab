"""Price events: a dated book of reviewed rows, compiled to cards, and exact integer costs for whole chunks."""

from spendmeter_stream.pricing.book.price_book import PriceBook, packaged_directory
from spendmeter_stream.pricing.book.rows import BookFault, Place, PriceBookError
from spendmeter_stream.pricing.engine.price_chunk import price_chunk
from spendmeter_stream.pricing.watch import PriceBookWatcher

__all__ = [
    "BookFault",
    "Place",
    "PriceBook",
    "PriceBookError",
    "PriceBookWatcher",
    "packaged_directory",
    "price_chunk",
]
