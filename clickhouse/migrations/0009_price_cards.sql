-- Price cards: the rates that gave costs, with row, factors and source, to explain a cost after the price book changed.
-- A card is stored before the first row that refers to it; storing it again changes nothing.
CREATE TABLE IF NOT EXISTS price_cards
(
    -- hash of `rates`
    card String,
    -- JSON, one object per unit
    rates String CODEC(ZSTD(3)),
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY card;
