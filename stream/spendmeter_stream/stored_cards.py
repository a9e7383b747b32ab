"""Store the price cards of a book, so that costs can be explained after the book has changed."""

from __future__ import annotations

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.prices.price_cards import write_cards
from spendmeter_stream.pricing.book.price_book import PriceBook


async def store_cards(session: Session, book: PriceBook) -> None:
    """Store the cards that `book` has used so far, except those stored already. Raises `StoreError`."""
    cards, number = book.cards.unwritten()
    await write_cards(session, cards)
    book.cards.mark_written(number)
