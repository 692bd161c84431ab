"""What the documents name is there: a renamed or lost test may not go on being quoted as the proof of a row."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.di import Provide

from tongban import ui
from tongban.main import rooms

ROOT = Path(__file__).resolve().parents[2]
QUOTED = re.compile(r"`((?:src|tests|docs|bench|items|deploy|migrations)/[\w./-]+?)(?:::(\w+))?`")
DOCUMENTS = ("threat-model.md", "privacy.md", "guide-trace.md")


@functools.cache
def source(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_quoted_file_and_test_exists(document: str) -> None:
    quoted = QUOTED.findall(source(f"docs/{document}"))
    assert len(quoted) > 20, f"docs/{document} quotes nothing: has its form changed?"
    gone = {path for path, _ in quoted if not (ROOT / path.rstrip("/")).exists()}
    assert gone == set(), f"docs/{document} names files that are not there"
    lost = {f"{path}::{name}" for path, name in quoted if name and not re.search(rf"^\s*(?:async )?def {name}\(", source(path), re.MULTILINE)}
    assert lost == set(), f"docs/{document} names tests that are not there"


def test_every_page_is_looked_at_by_axe() -> None:
    """`ui.page_paths(app)` against the lists of tests/journeys/pages.py (ux.md 8: no route without an entry)."""
    lists = {}
    for line in ast.parse(source("tests/journeys/pages.py")).body:
        target = line.targets[0] if isinstance(line, ast.Assign) else line.target if isinstance(line, ast.AnnAssign) else None
        if isinstance(target, ast.Name) and isinstance(line, ast.Assign | ast.AnnAssign) and line.value is not None:
            held = line.value.keys if isinstance(line.value, ast.Dict) else line.value.elts if isinstance(line.value, ast.Set) else []
            lists[target.id] = {one.value for one in held if isinstance(one, ast.Constant)}
    listed = set().union(*(lists[name] for name in ("PAGES", "A_FILE", "GOES_ON", "NOT_A_PAGE")))
    assert listed > {"/", "/cases", "/wallet"}

    async def no_node() -> None:
        """No page is opened here."""

    async def no_actor() -> None:
        """Nobody looks."""

    given = {"node": Provide(no_node), "actor": Provide(no_actor)}
    app = Litestar(rooms.routes(), dependencies=given, openapi_config=None, logging_config=None)
    assert ui.page_paths(app) - listed == set(), "a page that tests/journeys/test_axe.py does not open"
