"""Token counts by modality, as in Gemini's lists: `[{"modality": "AUDIO", "tokenCount": 12}, …]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spendmeter_events.extract._sections.payload import items, pick, text
from spendmeter_events.extract._sections.tally import Tally, spellings

_LIKE_TEXT: Final = frozenset(("TEXT", "DOCUMENT", "IMAGE", "VIDEO", "AUDIO", ""))
"""Modalities with a known meaning; `MODALITY_UNSPECIFIED` and new ones are reported as unread."""


@dataclass(frozen=True, slots=True)
class Modalities:
    """The counts of one list, and the key of the list."""

    name: str
    counts: dict[str, int]

    @property
    def audio(self) -> int:
        """Audio tokens."""
        return self.counts.get("AUDIO", 0)

    def flag_all(self, tally: Tally, kinds: tuple[str, ...]) -> None:
        """Report the counts of these modalities as unread, because they have no bucket."""
        for kind in kinds:
            if self.counts.get(kind):
                tally.flag(f"{self.name}.{kind}")


def modalities(tally: Tally, usage: object, names: tuple[str, ...]) -> Modalities:
    """Return the counts by modality of the first of these lists that is not empty."""
    for name in (spelling for each in names for spelling in spellings(each)):
        listed = items(usage, name)
        counts: dict[str, int] = {}
        for each in listed:
            kind = text(pick(each, "modality")).upper()
            counts[kind] = counts.get(kind, 0) + (tally.count(each, "token_count", "tokens") or 0)
        if listed:
            tally.skip(usage, name)
            found = Modalities(name, counts)
            found.flag_all(tally, tuple(kind for kind in counts if kind not in _LIKE_TEXT))
            return found
    return Modalities("", {})
