"""Errors have sentences, settings are documented, the trace table is true."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import tongban
from tongban.kernel.errors import Failure
from tongban.kernel.settings import Settings
from tongban.main.rooms import ROOMS

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "tongban"


def test_every_failure_has_a_code_a_status_and_chinese_words():
    for room in ROOMS:
        for info in pkgutil.walk_packages([str(SRC / room)], f"tongban.{room}."):
            if ".tests" in info.name:
                continue
            importlib.import_module(info.name)
    seen = [one for one in _all(Failure) if one.__module__.startswith("tongban.") and ".tests" not in one.__module__]
    assert len(seen) > 10
    for one in seen:
        assert re.fullmatch(r"[a-z_]+\.[a-z_0-9]+", one.code), f"{one.__qualname__}: code is `room.what`"
        assert 400 <= one.status <= 599 or one.status == 200, f"{one.__qualname__}: status {one.status}"
        source = inspect.getsource(one)
        chinese_in_class = re.search(r"[\u4e00-\u9fff]", source)
        assert chinese_in_class, f"{one.__qualname__}: give it a sentence a citizen understands, or the Chinese term"


def _all(kind):
    for one in kind.__subclasses__():
        yield one
        yield from _all(one)


def test_every_setting_is_documented():
    page = ROOT / "docs" / "operate" / "settings.md"
    text = page.read_text("utf-8")
    made = subprocess.run([sys.executable, str(ROOT / "docs" / "operate" / "make_settings.py")], capture_output=True, text=True, check=True).stdout
    assert text == made, "run: python docs/operate/make_settings.py > docs/operate/settings.md"
    for field in msgspec.structs.fields(Settings):
        assert f"`{field.name}`" in text


def test_the_trace_table_is_true():
    """Each row of guide-trace.md names a test that exists, in a file that is collected."""
    text = (ROOT / "docs" / "guide-trace.md").read_text("utf-8")
    named = re.findall(r"`((?:tests|src)/[\w/.-]+\.py)(?:::(\w+))?`", text)
    assert named, "guide-trace.md names no test"
    wrong = []
    for path, name in named:
        file = ROOT / path
        if not file.exists():
            wrong.append(f"{path} does not exist")
        elif name and name not in {node.name for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}:
            wrong.append(f"{path} has no {name}")
    assert not wrong, "\n".join(wrong)


def test_the_trace_table_has_every_requirement():
    text = (ROOT / "docs" / "guide-trace.md").read_text("utf-8")
    rows = set(re.findall(r"^\| (R-\d{3}) ", text, re.MULTILINE))
    wanted = {f"R-{n}" for n in (*range(101, 108), *range(201, 207), *range(301, 307), *range(401, 411), *range(501, 509), *range(601, 608), *range(701, 712), *range(801, 806))}
    assert rows == wanted, f"missing {sorted(wanted - rows)}, unknown {sorted(rows - wanted)}"
    states = re.findall(r"^\| R-\d{3} .* (works|partly|open) \| [^|]*\|$", text, re.MULTILINE)
    counted = f"{len(states)} rows: {states.count('works')} work, {states.count('partly')} partly, {states.count('open')} open."
    assert counted in text, f"the last line should say: {counted}"


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "SECURITY.md", "publiccode.yml", "docs/map.md", "docs/glossary.md", "docs/roadmap.md", "docs/life-of-a-case.md", "docs/life-of-a-letter.md"])
def test_the_papers_are_there(name):
    assert (ROOT / name).stat().st_size > 400, f"{name} is missing or empty"


def test_the_lock_names_no_address():
    text = (ROOT / "requirements.lock").read_text("utf-8")
    assert "--hash=sha256:" in text
    assert "://" not in text, "compile it without index addresses"


def test_the_package_speaks_of_itself():
    assert tongban.__version__ in (ROOT / "pyproject.toml").read_text("utf-8")
