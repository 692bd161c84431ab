"""Where the tests' databases lie: in memory where there is plenty, among temporary files elsewhere, and nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tongban.main import postgres


def gone() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_what_a_killed_process_left_goes_and_what_lives_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_IN_MEMORY", tmp_path)
    monkeypatch.setattr(postgres, "_memory_to_spare", lambda: True)
    dead, living, other = (tmp_path / name for name in (f"run-{gone()}-abc", f"run-{os.getpid()}-def", f"another-{gone()}-ghi"))
    for one in (dead, living, other):
        one.mkdir()
    made = postgres.passing_folder("run")
    assert made.parent == tmp_path
    assert made.stat().st_mode & 0o755 == 0o755, "the server's user may enter"
    assert (dead.exists(), living.exists(), other.exists()) == (False, True, True)


def test_without_memory_to_spare_it_is_a_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(postgres, "_ENOUGH_BYTES", 1 << 60)
    assert postgres.passing_folder("run").parent == tmp_path
