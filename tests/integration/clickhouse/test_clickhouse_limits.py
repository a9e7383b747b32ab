"""A login that reads has limits that its queries cannot lift, as decided by a real engine."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.grants import USERS, Call, migrated_folder, run_as, statement

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated_folder(tmp_path_factory.mktemp("roles") / "store")


def limits() -> dict[str, tuple[int | None, str]]:
    """Return each setting's maximum (None if it is fixed) and its value in the profile."""
    profile = ElementTree.parse(USERS).getroot().find("profiles/spendmeter_reading")  # noqa: S314 - our own file
    assert profile is not None
    found: dict[str, tuple[int | None, str]] = {}
    for constraint in profile.iterfind("constraints/*"):
        greatest = constraint.findtext("max")
        found[constraint.tag] = (int(greatest) if greatest else None, profile.findtext(constraint.tag) or "")
    own = {it.tag for it in profile if it.tag != "constraints"}
    assert own == set(found), "a limit without a constraint can be lifted"
    return found


@pytest.mark.parametrize("user", ["spendmeter_reader", "spendmeter_boards"])
def test_a_login_that_reads_cannot_lift_its_limits(user: str, empty_store: Path, tmp_path: Path) -> None:
    bad: list[Call] = []
    good: list[Call] = []
    for name, (greatest, own) in limits().items():
        other = "'break'" if not own.isdigit() else str(int(own) + 1)
        values = ["0", str(greatest + 1)] if greatest else (["0", "1"] if name == "readonly" else [other])
        if name == "max_threads":
            # 0 means the number of cores: the server compares that number with the maximum.
            values.remove("0")
        for value in values:
            bad += [statement(f"SELECT 1 SETTINGS {name} = {value}"), statement(f"SET {name} = {value}")]
            bad.append(statement("SELECT 1", **{name: value.strip("'")}))
        if greatest:
            good += [
                statement(f"SELECT 1 SETTINGS {name} = {int(own) // 2}"),
                statement("SELECT 1", **{name: greatest}),
            ]
    errors = run_as(user, [*bad, *good], store=empty_store, scratch=tmp_path)
    lifted = [call for call, error in zip(bad, errors[: len(bad)], strict=True) if not error]
    assert lifted == []
    assert [error for error in errors[len(bad) :] if error] == []
