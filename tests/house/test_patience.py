"""A test that stands still is named, with the line it waits on, and the run goes on (conftest.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUCK = """
import asyncio
import contextlib

import pytest


@contextlib.asynccontextmanager
async def held():
    yield
    await asyncio.Event().wait()  # the line


@pytest.mark.patience(0.5)
async def test_stuck():
    async with held():
        pass
"""


def test_a_test_that_stands_still_ends_with_the_line_it_waits_on(tmp_path: Path) -> None:
    (tmp_path / "test_stuck.py").write_text(STUCK, "utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "conftest", "-c", str(ROOT / "pyproject.toml"),
         "--rootdir", str(tmp_path), str(tmp_path / "test_stuck.py")],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert "test_stuck.py::test_stuck stands still" in run.stderr
    assert f"{tmp_path / 'test_stuck.py'}:{STUCK.splitlines().index('    await asyncio.Event().wait()  # the line') + 1} held" in run.stderr
