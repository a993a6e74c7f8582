"""What `gateway doctor` says of the ledger's file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.reports.ledger_file import examine


@pytest.mark.parametrize("name", ["ledger.db", "new/folders/ledger.db"])
def test_a_ledger_that_can_be_written_is_not_mentioned(tmp_path: Path, name: str) -> None:
    assert list(examine(tmp_path / name)) == []
    (tmp_path / "ledger.db").touch()
    assert list(examine(tmp_path / name)) == []


def test_a_ledger_that_is_a_folder_is_a_mistake(tmp_path: Path) -> None:
    [finding] = examine(tmp_path)
    assert finding.severity == "warning"
    assert finding.message == f"{tmp_path} is a folder, and has to be a file."


def test_a_ledger_below_a_file_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    [finding] = examine(tmp_path / "file/ledger.db")
    assert finding.message.endswith(f"{tmp_path / 'file'} is not a folder.")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
@pytest.mark.parametrize("name", ["ledger.db", "new/ledger.db"])
def test_a_folder_that_may_not_be_written_is_reported(tmp_path: Path, name: str) -> None:
    tmp_path.chmod(0o500)
    [finding] = examine(tmp_path / name)
    assert finding.message.startswith(f"{tmp_path} cannot be written by this user")
    assert "[ledger] path" in finding.cure
