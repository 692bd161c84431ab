"""Copies opened by an unpacker that others wrote: libarchive's `bsdtar` (R-409, adr/0012). A missing judge is skipped by name."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from datetime import UTC, datetime

import pytest

from tongban.privacy.rules.locked_zip import LockedZip, new_word

FILES = {"数据/身份.json": "演示".encode() * 500, "文件/0001.jpg": random.Random(2).randbytes(40_001), "空.txt": b""}


def test_libarchive_opens_a_copy_with_its_word_and_with_no_other(tmp_path):
    judge = shutil.which("bsdtar")
    if judge is None:
        if os.environ.get("TONGBAN_NO_SKIP"):
            pytest.fail("bsdtar is not on this machine")
        pytest.skip("bsdtar is not on this machine: sh deploy/install-judges.sh")
    word = new_word()
    made = LockedZip(word, datetime(2026, 11, 22, tzinfo=UTC))
    (tmp_path / "copy.zip").write_bytes(b"".join(made.add(name, content) for name, content in FILES.items()) + made.end())

    def opened(passphrase):
        where = tmp_path / passphrase
        where.mkdir()
        done = subprocess.run(
            [judge, "-x", "-f", tmp_path / "copy.zip", "-C", where, "--passphrase", passphrase],
            capture_output=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        return done.returncode, where

    code, where = opened(word)
    assert code == 0
    assert {name: (where / name).read_bytes() for name in FILES} == FILES
    assert opened(new_word())[0] != 0
