"""What is started on a leash ends with whoever started it, keeps its number, and has no copy of our process in between (main/leash.py)."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

import pytest

from tongban.main.leash import leashed

PARENT = """
import signal, subprocess, sys
from tongban.main.leash import leashed
subprocess.Popen(leashed(["/bin/sh", "-c", "echo $$; exec sleep 60"], end=signal.SIGTERM)).wait()
"""


def ends(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], 10)[0])


@pytest.mark.skipif(sys.platform != "linux", reason="the leash is the Linux kernel's")
def test_it_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        assert not select.select([child], [], [], 0)[0]
        parent.kill()
        assert ends(child)
        os.close(child)


def test_it_is_the_program_itself_and_its_status_is_told() -> None:
    process = subprocess.Popen(leashed(["/bin/sh", "-c", "echo $$; exit 7"], end=signal.SIGTERM), stdout=subprocess.PIPE, text=True)
    said, _ = process.communicate(timeout=20)
    assert (int(said), process.returncode) == (process.pid, 7)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_it_runs_as_whom_it_should() -> None:
    done = subprocess.run(leashed(["/usr/bin/id", "-u"], end=signal.SIGINT, uid=65534, gid=65534), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "65534"
