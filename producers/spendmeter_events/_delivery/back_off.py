"""Back-off between attempts."""

from __future__ import annotations

from spendmeter_events.settings import ProducerSettings


def back_off(failures: int, settings: ProducerSettings, *, jitter: float) -> float:
    """Return the seconds to wait after this many consecutive failures; `jitter` (0 to 1) spreads the producers."""
    full = min(settings.retry_backoff_max_s, settings.retry_backoff_s * 2.0 ** min(failures - 1, 32))
    return full * (0.5 + jitter / 2)
