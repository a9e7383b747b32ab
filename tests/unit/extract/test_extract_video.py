"""Generated video is billed by the second, at a rate for its size, when its job has completed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from spendmeter_events import extract
from spendmeter_events.extract import Usage
from tests.support.pricing import cost_of_usage


def sora(model: str, size: str, status: str = "completed", **more: Any) -> Usage:
    job = {"id": "video_1", "object": "video", "model": model, "seconds": "8", "size": size, "status": status}
    return extract.from_openai(job | more)


def veo(model: str, videos: int, *, name: str = "generatedSamples", **settings: Any) -> Usage:
    found = [{"video": {"uri": "u"}}] * videos
    response = {"generateVideoResponse": {name: found}} if name == "generatedSamples" else {name: found}
    operation = {"name": f"models/{model}/operations/1", "done": True, "response": response}
    return extract.from_gemini(operation, request={"model": model, "config": settings})


@pytest.mark.parametrize(
    ("usage", "seconds", "cost", "status"),
    [
        # https://developers.openai.com/api/docs/pricing
        (sora("sora-2", "1280x720"), 8, "0.8", "priced"),
        (sora("sora-2-pro", "720x1280"), 8, "2.4", "priced"),
        (sora("sora-2-pro", "1024x1792"), 8, "4", "priced"),
        (sora("sora-2-pro", "1080x1920"), 8, "0", "unpriced"),
        # https://ai.google.dev/gemini-api/docs/pricing
        (veo("veo-3.0-generate-001", 1, durationSeconds=8), 8, "3.2", "priced"),
        (veo("veo-3.0-fast-generate-001", 2, duration_seconds=4), 8, "1.2", "priced"),
        (
            veo("veo-3.1-generate-preview", 1, name="generatedVideos", durationSeconds=6, resolution="1080p"),
            6,
            "2.4",
            "priced",
        ),
        (veo("veo-3.1-generate-preview", 1, name="videos", durationSeconds=6), 6, "0", "unpriced"),
        (veo("veo-2.0-generate-001", 1, durationSeconds=4.2), 5, "1.75", "priced"),
    ],
)
def test_seconds_have_the_rate_of_their_size(usage: Usage, seconds: int, cost: str, status: str) -> None:
    result = cost_of_usage(usage)
    assert (usage.video_seconds, usage.state) == (seconds, "complete")
    assert (result["cost"], result["pricing_status"]) == (Decimal(cost), status)


@pytest.mark.parametrize(
    ("usage", "state", "outcome"),
    [
        (sora("sora-2", "1280x720", "queued"), "missing", ""),
        (sora("sora-2", "1280x720", "failed", error={"code": "moderation_blocked"}), "complete", "error"),
        (sora("sora-2", "1280x720", seconds=None), "missing", ""),
        (veo("veo-3.0-generate-001", 1), "missing", ""),
        (veo("veo-3.0-generate-001", 0, durationSeconds=8), "missing", ""),
        (
            extract.from_gemini({"name": "models/veo/operations/1", "done": True, "error": {"code": 3}}),
            "complete",
            "error",
        ),
    ],
)
def test_a_job_that_has_no_video_is_not_priced(usage: Usage, state: str, outcome: str) -> None:
    assert (usage.video_seconds, usage.state, usage.status) == (0, state, outcome)
