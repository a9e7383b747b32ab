"""Seconds of generated video. Jobs report them when they have completed; a failed job is not billed."""

from __future__ import annotations

import math
from typing import Any, Final

from spendmeter_events.extract._sections.payload import items, pick, text
from spendmeter_events.extract._sections.tally import Tally

_SETTINGS: Final = ("config", "parameters", "generationConfig")


def of_job(tally: Tally, body: object) -> dict[str, Any]:
    """Return the seconds and the size of a job of OpenAI's Videos API; the state is `missing` before its end."""
    status = pick(body, "status")
    if status != "completed":
        return {"state": "complete" if status == "failed" else "missing"}
    seconds = tally.seconds(body, "seconds")
    size = text(pick(body, "size"), 16)
    return _fields(seconds, 1, size)


def of_operation(tally: Tally, operation: object, request: object) -> dict[str, Any]:
    """Return the seconds of a finished operation of Veo; the length of a video is only in the request."""
    response = pick(operation, "response", "result")
    samples = items(pick(response, "generateVideoResponse"), "generatedSamples")
    videos = samples or items(response, "generated_videos", "generatedVideos", "videos")
    settings = pick(request, *_SETTINGS)
    seconds = tally.seconds(settings, "duration_seconds", "durationSeconds")
    return _fields(seconds, len(videos), text(pick(settings, "resolution"), 16))


def _fields(seconds: float | None, videos: int, size: str) -> dict[str, Any]:
    if seconds is None or not videos:
        return {}
    return {"video_seconds": math.ceil(seconds) * videos, "tags": {"video_size": size.lower()} if size else {}}
