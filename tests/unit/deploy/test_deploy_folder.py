"""The data folder of the embedded stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from spendmeter_deploy.embedded.folder import DataFolder


def test_a_start_that_was_refused_leaves_no_new_folder(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.acquire()
    folder.release()

    assert not folder.path.exists()


@pytest.mark.parametrize("existing", ["", "store"])
def test_a_folder_with_data_or_of_the_user_is_kept(tmp_path: Path, existing: str) -> None:
    if not existing:
        (tmp_path / "data").mkdir()
    folder = DataFolder(tmp_path / "data")
    folder.acquire()
    if existing:
        (folder.path / existing).mkdir()
    folder.release()

    assert folder.path.exists()
