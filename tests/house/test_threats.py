"""The threat model is true: every row is attacked or said to be open, and every mutation still finds its place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LISTED = tomllib.loads((ROOT / "tests" / "security" / "mutations.toml").read_text("utf-8"))
MODEL = (ROOT / "docs" / "threat-model.md").read_text("utf-8")


def rows() -> set[str]:
    return set(re.findall(r"^\| (T-\d\d) \|", MODEL, re.MULTILINE))


def test_every_row_has_a_mutation_or_says_why_not() -> None:
    tried = {one["id"].split("/")[0] for one in LISTED["mutation"]}
    unbuilt = {one["id"] for one in LISTED["open"]}
    assert len(rows()) >= 95
    assert rows() - tried - unbuilt == set(), "give these rows an entry in mutations.toml, or list them under [[open]] with the reason"
    assert (tried | unbuilt) - rows() == set(), "no such row in docs/threat-model.md"
    assert tried & unbuilt == set(), "open and tried at once"
    assert all(len(one["why"]) > 15 for one in LISTED["open"])
    names = [one["id"] for one in LISTED["mutation"]]
    assert len(names) == len(set(names)), "two entries of one name"


def test_the_model_counts_its_rows_rightly() -> None:
    """How many rows are attacked, partly or not: the figures at its head are those of its table."""
    cells = [line.rstrip("| ").rsplit("| ", 1)[1] for line in MODEL.splitlines() if re.match(r"\| T-\d\d \|", line)]
    unbuilt = sum("`open`" in cell for cell in cells)
    partly = sum("partly: " in cell for cell in cells)
    said = f"Of {len(cells)} rows **{len(cells) - partly - unbuilt}** have\ntheir attack as a test, **{partly}** partly, **{unbuilt}** are open"
    assert said in MODEL, f"its head should say: {said}"


@pytest.mark.parametrize("entry", LISTED["mutation"], ids=lambda one: one["id"])
def test_every_mutation_finds_its_place_and_its_test(entry: dict[str, str]) -> None:
    path = ROOT / entry["file"]
    assert path.is_file(), f"stale: {entry['file']} is gone; point {entry['id']} at the control's new place"
    count = path.read_text("utf-8").count(entry["find"])
    assert count == 1, f"stale: the text of {entry['id']} stands {count} times in {entry['file']}; point it at the control's new place"
    assert entry["replace"] != entry["find"]
    assert entry["expect"], "a mutation says which word of the failure it expects"
    file, _, name = entry["test"].partition("::")
    assert (ROOT / file).is_file(), entry["test"]
    assert re.search(rf"def {name}\(", (ROOT / file).read_text("utf-8")), entry["test"]
