"""Token counts by modality, as in Gemini's lists: `[{"modality": "AUDIO", "tokenCount": 12}, …]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spendmeter_events.extract._sections.payload import items, pick, text
from spendmeter_events.extract._sections.tally import Kinds, Tally, spellings

_KNOWN: Final = frozenset(("TEXT", "DOCUMENT", "IMAGE", "VIDEO", "AUDIO", ""))
"""Modalities with a known meaning; `MODALITY_UNSPECIFIED` and new ones are reported as unread."""


@dataclass(frozen=True, slots=True)
class Modalities:
    """The counts of one list, and the key of the list."""

    name: str
    counts: dict[str, int]

    @property
    def kinds(self) -> Kinds:
        """Audio and image tokens. Documents and, for most models, videos have the rate of text."""
        return Kinds(self.counts.get("AUDIO", 0), self.counts.get("IMAGE", 0))

    def flag_video(self, tally: Tally) -> None:
        """Report video tokens as unread, because they have no bucket."""
        if self.counts.get("VIDEO"):
            tally.flag(f"{self.name}.VIDEO")


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
            for kind in counts:
                if kind not in _KNOWN:
                    tally.flag(f"{name}.{kind}")
            return found
    return Modalities("", {})
