"""T-47: a package replaced on its way 软件包被换. The Makefile's own command, a folder of wheels instead of a package host, no network."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")
NAME = "yanshi_rili"  # 演示: no such package is asked for anywhere else
WHEEL = f"{NAME}-1.0-py3-none-any.whl"
GOOD, CHANGED = b"DAYS = 7\n", b"DAYS = 8\n"
PARTS = {
    f"{NAME}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n".encode(),
    f"{NAME}-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: yanshi\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{NAME}-1.0.dist-info/RECORD": f"{NAME}.py,,\n{NAME}-1.0.dist-info/METADATA,,\n{NAME}-1.0.dist-info/WHEEL,,\n{NAME}-1.0.dist-info/RECORD,,\n".encode(),
}


def wheel(content: bytes) -> bytes:
    """The package as a wheel; the same bytes each time for the same content."""
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as made:
        for path, data in {f"{NAME}.py": content, **PARTS}.items():
            made.writestr(zipfile.ZipInfo(path), data)
    return box.getvalue()


def line(content: bytes) -> str:
    """The package in a lock, pinned to a wheel of this content."""
    return f"{NAME}==1.0 \\\n    --hash=sha256:{hashlib.sha256(wheel(content)).hexdigest()}\n"


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A tree as a contributor has it after cloning: the Makefile, an environment without packages, the installer."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "deploy").mkdir()
    (tmp_path / "requirements.lock").touch()
    subprocess.run([str(UV), "venv", "--quiet", "--offline", "--python", sys.executable, str(tmp_path / ".venv")], check=True, capture_output=True)
    (tmp_path / ".venv" / "bin" / "uv").symlink_to(UV)
    (tmp_path / "wheels").mkdir()
    return tmp_path


@pytest.fixture
def bare(fresh: Path) -> Path:
    """The same before the installer is there: an environment as Python itself makes it."""
    shutil.rmtree(fresh / ".venv")
    subprocess.run([sys.executable, "-m", "venv", str(fresh / ".venv")], check=True, capture_output=True)
    return fresh


def command(tree: Path, lock: str) -> str:
    """What `make setup` runs to install what this lock names, written out by make itself."""
    told = subprocess.run(["make", "--no-print-directory", "-n", "setup"], cwd=tree, capture_output=True, text=True, check=True).stdout
    (found,) = [one for one in told.splitlines() if lock in one]
    return found


def installed(tree: Path, said: str, there: bytes, lock: str = "requirements.lock") -> tuple[bool, str]:
    """(whether the package is in the environment afterwards, what the installer said): the lock says this, in the folder lies that."""
    (tree / lock).write_text(said, "utf-8")
    (tree / "wheels" / WHEEL).write_bytes(there)
    where = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
    where |= {"UV_NO_CONFIG": "1", "UV_OFFLINE": "1", "UV_CACHE_DIR": str(tree / "cache"), "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    done = subprocess.run(
        ["sh", "-c", f"{command(tree, lock)} --no-index --find-links wheels"], cwd=tree, env=where, capture_output=True, text=True, timeout=120, check=False
    )
    here = bool(list((tree / ".venv").glob(f"lib/python*/site-packages/{NAME}.py")))
    assert here == (done.returncode == 0), done.stdout + done.stderr
    return here, done.stdout + done.stderr


def test_t47_a_package_is_installed_when_it_is_the_one_the_lock_names(fresh: Path) -> None:
    assert installed(fresh, line(GOOD), wheel(GOOD)) == (True, "")


def test_t47_a_changed_wheel_of_the_same_name_and_version_is_not_installed(fresh: Path) -> None:
    """One byte in it is another; then the hash in the lock is."""
    for lock, there in ((line(GOOD), wheel(CHANGED)), (line(CHANGED), wheel(GOOD))):
        here, said = installed(fresh, lock, there)
        assert not here, "installed with wrong hash"
        assert "ash mismatch" in said, said
        shutil.rmtree(fresh / "cache")


def test_t47_a_line_of_the_lock_that_lost_its_hash_installs_nothing(fresh: Path) -> None:
    """Who may change the lock by a line would otherwise take the hash away together with the package."""
    here, said = installed(fresh, f"{NAME}==1.0\n", wheel(CHANGED))
    assert not here, "installed without a hash"
    assert "hash" in said, said


def test_t47_the_installer_itself_is_the_one_its_own_lock_names(bare: Path) -> None:
    """What compares all hashes is fetched first, and by nothing less."""
    lock = "deploy/installer.lock"
    for said, there in ((line(GOOD), wheel(CHANGED)), (f"{NAME}==1.0\n", wheel(GOOD))):
        here, told = installed(bare, said, there, lock)
        assert not here, "installed without its hash"
        assert "hash" in told.lower(), told
    assert installed(bare, line(GOOD), wheel(GOOD), lock) == (True, "")
    assert " --hash=sha256:" in (ROOT / lock).read_text("utf-8")
