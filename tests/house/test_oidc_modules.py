"""The table of OpenID modules is true: every verdict names a test that exists, and every module of the design stands in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = (ROOT / "docs" / "oidc-modules.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.splitlines() if line.startswith("| ") and "---" not in line]


def test_every_row_names_a_test_that_exists() -> None:
    rows = [row for row in ROWS if row[0] != "module"]
    assert len(rows) > 100
    for module, verdict, test in rows:
        assert re.match(r"(pass|fail|refused|not applicable: .+)", verdict), module
        named = re.fullmatch(r"`([\w/.]+\.py)::(\w+)`", test)
        assert named, f"{module}: name the test that shows it"
        tree = ast.parse((ROOT / named[1]).read_text("utf-8"))
        assert named[2] in {one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}, f"{module}: no test {test}"


def test_said_to_be_self_run() -> None:
    assert "Self-run, not certified." in TABLE


def test_tests_of_the_folder_say_which_module_they_are() -> None:
    """The other way round: a module named in a test's docstring of the provider files stands in the table."""
    text = (ROOT / "tests" / "conformance" / "oidc" / "test_provider_basic.py").read_text("utf-8")
    for module in re.findall(r"oidcc-([a-z0-9-]+)", text):
        assert module.rstrip("-") in TABLE or module.endswith("-"), module
