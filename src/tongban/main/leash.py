"""Leash 牵绳: start another program so that it ends when we do, and as the user it should be.

A hook between fork and exec would do the same, but it runs our code in a copy of a process whose other threads, and whatever they
had locked, are gone. Run as a file of its own by a Python that reads in nothing else; the number of the process stays.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def leashed(command: Sequence[str], *, end: signal.Signals, uid: int = -1, gid: int = -1) -> list[str]:
    """The words that start `command` on a leash (牵着启动): it gets `end` when this process dies, and runs as `uid` and `gid` if given."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(end)), str(uid), str(gid), *command]


def _main(words: list[str], command: list[str]) -> None:
    parent, end, uid, gid = map(int, words)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # after the user, since a change of user takes the leash off
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, end)
    if os.getppid() != parent:  # it died before the leash was on
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  our own words


if __name__ == "__main__":
    _main(sys.argv[1:5], sys.argv[5:])
