"""Thresholds by scope, from a file with every fault reported; size and history decide what is critical."""

from __future__ import annotations

from pathlib import Path

import pytest

from spendmeter_stream.guard.evaluate import thresholds as module
from spendmeter_stream.guard.evaluate.findings import Finding, find
from spendmeter_stream.guard.evaluate.thresholds import ThresholdsError, default_thresholds, load_thresholds
from spendmeter_stream.guard.values import TOTAL, Baseline, Key, Reading, Spend
from tests.support.spend import ACME, ANN, CHAT, CHAT_OF_ALL, budget, reading, spend, usual

PACKAGED = Path(module.__file__).parent / "thresholds.toml"


def spikes(at: Reading) -> list[Finding]:
    return [finding for finding in find(at, thresholds=default_thresholds()) if finding.kind == "spike"]


def fresh_platform(usd: float) -> Reading:
    """Return an ordinary first hour: three schools, their users and features, and no history."""
    spent: dict[Key, Spend] = {TOTAL: spend(hour=usd)}
    for school, share in (("a", 0.5), ("b", 0.3), ("c", 0.2)):
        spent[Key("org", school, school)] = spend(hour=usd * share)
        for feature in ("chat", "grading"):
            spent[Key("feature", school, feature)] = spend(hour=usd * share / 2)
        for user in range(4):
            spent[Key("user", school, f"u{user}")] = spend(hour=usd * share / 4)
    for feature in ("chat", "grading"):
        spent[Key("feature", "", feature)] = spend(hour=usd / 2)
    new = Baseline((), 0.0, history_days=0)
    return reading(spent, {key: new for key in spent if key != TOTAL})


def test_a_new_platform_with_26_usd_of_ordinary_traffic_raises_no_alert() -> None:
    found = spikes(fresh_platform(26.0))
    assert {finding.severity for finding in found} <= {"warning"}


@pytest.mark.parametrize(("days", "severity"), [(0, "warning"), (6, "warning"), (7, "critical"), (28, "critical")])
def test_a_spike_is_critical_once_there_is_a_past_to_compare_with(days: int, severity: str) -> None:
    at = reading({ANN: spend(hour=50)}, {ANN: Baseline((), 0.0, history_days=days)})
    assert [finding.severity for finding in spikes(at)] == [severity]


@pytest.mark.parametrize(
    ("key", "platform", "hour", "found"),
    [
        # 2 USD on a small platform, a tenth of its hour on a large one.
        (ACME, 10, 2.1, True),
        (ACME, 500, 49, False),
        (ACME, 500, 51, True),
        (CHAT, 500, 49, False),
        (CHAT_OF_ALL, 500, 51, True),
        # One stolen key is a smaller share of it.
        (ANN, 500, 9, False),
        (ANN, 500, 11, True),
    ],
)
def test_the_floor_is_a_share_of_the_platforms_hour(key: Key, platform: float, hour: float, found: bool) -> None:
    at = reading({key: spend(hour=hour), TOTAL: spend(hour=platform)}, {key: usual(0.0)})
    assert bool(spikes(at)) == found


def test_a_small_budget_on_a_large_platform_still_burns() -> None:
    at = reading(
        {ACME: spend(quarter=6, hour=21), TOTAL: spend(hour=5000)}, {ACME: usual(1.0, busy=6.0)}, [budget(ACME, 1000)]
    )
    assert [finding.kind for finding in find(at, thresholds=default_thresholds())] == ["burn"]


def test_a_file_changes_one_scope(tmp_path: Path) -> None:
    file = tmp_path / "thresholds.toml"
    head, org, rest = PACKAGED.read_text().partition("[org]")
    file.write_text(head + org + rest.replace("floor_usd = 2.0", "floor_usd = 40.0", 1))
    changed = load_thresholds(file)
    assert (changed.org.floor_usd, changed.user.floor_usd) == (40.0, 2.0)
    at = reading({ACME: spend(hour=30), ANN: spend(hour=30)}, dict.fromkeys((ACME, ANN), usual(0.0)))
    assert [finding.key for finding in find(at, thresholds=changed)] == [ANN]


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("floor_share = 0.1", "floor_share = 3", "org.floor_share"),
        ("floor_share = 0.1", "flor_share = 0.1", "org.flor_share"),
        ("[user]", "[users]", "users"),
        ("burn_slow = 6.0", "burn_slow = 60.0", "burn_slow"),
        ("[org]", "[org", "Expected"),
    ],
)
def test_a_faulty_file_is_refused_in_one_line(tmp_path: Path, before: str, after: str, named: str) -> None:
    file = tmp_path / "thresholds.toml"
    text = PACKAGED.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    with pytest.raises(ThresholdsError) as raised:
        load_thresholds(file)
    assert named in str(raised.value)
    assert "Value error" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ThresholdsError, match="SPENDMETER_GUARD_THRESHOLDS_PATH"):
        load_thresholds(tmp_path / "nothing.toml")
