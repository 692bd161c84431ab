"""What the documents name is there: a renamed or lost test may not go on being quoted as the proof of a row, nor a page or command as the way."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from litestar import Litestar
from litestar.di import Provide

from tongban import ui
from tongban.main import rooms
from tongban.main.app import health, metrics
from tongban.main.cli import app as command_line
from tongban.main.rooms import ROOMS

ROOT = Path(__file__).resolve().parents[2]
QUOTED = re.compile(r"`((?:src|tests|docs|bench|items|deploy|migrations|examples)/[\w./-]+?)(?:::(\w+))?`")
IN_A_ROOM = re.compile(rf"`((?:{'|'.join((*ROOMS, 'kernel', 'main'))})/[\w./*-]+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
ADDRESS = re.compile(r"(?<![\w./<>\])…}~-])/[a-z.][\w./{}*…-]*(?<![.,])")
ON_THE_HOST = ("/etc/", "/var/", "/backup/", "/opt/", "/cases/…")
DOCUMENTS = ("threat-model.md", "privacy.md", "guide-trace.md")
PAPERS = sorted(str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
FENCED = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\.venv/bin/)?(tongban|make) ([^#\n]*)", re.MULTILINE)


@functools.cache
def source(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


@functools.cache
def whole_app() -> Litestar:
    async def no_node() -> None:
        """No page is opened here."""

    async def no_actor() -> None:
        """Nobody looks."""

    given = {"node": Provide(no_node), "actor": Provide(no_actor)}
    return Litestar([health, metrics, *rooms.routes()], dependencies=given, openapi_config=None, logging_config=None)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_quoted_file_and_test_exists(document: str) -> None:
    quoted = QUOTED.findall(source(f"docs/{document}"))
    assert len(quoted) > 20, f"docs/{document} quotes nothing: has its form changed?"
    gone = {path for path, _ in quoted if not (ROOT / path.rstrip("/")).exists()}
    assert gone == set(), f"docs/{document} names files that are not there"
    lost = {f"{path}::{name}" for path, name in quoted if name and not re.search(rf"^\s*(?:async )?def {name}\(", source(path), re.MULTILINE)}
    assert lost == set(), f"docs/{document} names tests that are not there"


def heads(paper: Path) -> set[str]:
    """The anchors of a paper's headings, as they are made where it is read."""
    return {re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", paper.read_text("utf-8"), re.MULTILINE)}


@pytest.mark.parametrize("paper", PAPERS)
def test_links_and_files_lead_somewhere(paper: str) -> None:
    text, at = source(paper), ROOT / paper
    gone = []
    for to, part in LINK.findall(text):
        goal = at.parent / to if to else at
        if not goal.exists() or (part and goal.suffix == ".md" and part not in heads(goal)):
            gone.append(f"{to}#{part}")
    gone += [path for path, _ in QUOTED.findall(text) if not (ROOT / path.rstrip("/")).exists()]
    folder = ROOT / "src" / "tongban"
    gone += [path for path in IN_A_ROOM.findall(text) if not any(list(folder.glob(one)) for one in (path.rstrip("/"), f"{path}.py", f"{path.partition('/')[0]}/templates/{path}"))]
    assert gone == [], f"{paper} leads to what is not there"


def known(address: str, routes: set[str]) -> bool:
    """Whether an address as a paper writes it is a route: {name} and … stand for any part, … or * at the end for whatever follows."""
    plain = re.sub(r"\{[^}]*\}|…", "x", address.rstrip("/"))
    if any(re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", one).replace(".", r"\."), plain or "/") for one in routes):
        return True
    return address.endswith(("…", "*", "/")) and any(one.startswith(address.rstrip("…*")) for one in routes)


def test_every_address_in_the_papers_is_a_page() -> None:
    routes = {route.path_format for route in whole_app().routes}
    assert {"/", "/cases", "/health", "/verify"} <= routes
    seen, wrong = 0, []
    for paper in PAPERS:
        if paper == "docs/oidc-modules.md":  # of other people's suite
            continue
        text = re.sub(r"https?://(?:cn|mps|samr|\d{6})\.localhost:\d+", "", LINK.sub("", FENCED.sub("", source(paper))))
        text = re.sub(r"https?://\S+", "", text)
        for address in {one for one in ADDRESS.findall(text) if not one.startswith(ON_THE_HOST)}:
            seen += 1
            if not known(address, routes):
                wrong.append(f"{paper}: {address}")
    assert seen > 150, "the papers name no pages: has their form changed?"
    assert wrong == [], "no such page: " + ", ".join(wrong)


def understood(words: list[str]) -> str | None:
    """None when `tongban` takes these words; else the one it does not know. What stands where a value may stand is taken as given."""
    at: Any = typer.main.get_command(command_line)
    taken = {option for one in at.params for option in one.opts} | {"--help"}
    for word in words:
        under = getattr(at, "commands", {})
        if word in under:
            at = under[word]
            taken |= {option for one in at.params for option in one.opts}
        elif (word.startswith("-") and word.partition("=")[0] not in taken) or (under and not word.startswith("-") and not at.invoke_without_command):
            return word
    return None


def test_every_command_in_the_papers_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", source("Makefile"), re.MULTILINE)) | {f"bench-{path.stem.replace('_', '-')}" for path in (ROOT / "bench").glob("[a-z]*.py")}
    seen, wrong = set(), []
    for paper in PAPERS:
        text = source(paper)
        code = "\n".join((*FENCED.findall(text), *re.findall(r"`([^`\n]+)`", FENCED.sub("", text))))
        for program, rest in COMMAND.findall(code):
            words = re.sub(r'"[^"]*"', "x", rest).split()
            seen.add(program)
            if program == "make":
                strange = [word for word in words if re.fullmatch(r"[a-z-]+", word) and word not in targets]
            else:
                strange = [one] if (one := understood(words)) else []
            wrong += [f"{paper}: {program} {word}" for word in strange]
    assert seen == {"tongban", "make"}
    assert understood(["log", "verify", "--demo", "510000"]) is None
    assert understood(["demo", "--frsh"]) == "--frsh"
    assert understood(["nod"]) == "nod"
    assert wrong == [], "no such command: " + ", ".join(wrong)


def test_words_are_in_the_glossary_once() -> None:
    words = re.findall(r"^\| ([^|]+?) \|", source("docs/glossary.md"), re.MULTILINE)
    assert len(words) > 100
    assert {word for word in words if words.count(word) > 1} == set(), "one word for one thing"


def test_the_map_has_the_storeys_that_hold() -> None:
    def storeys(text: str) -> list[set[str]]:
        rows = [{room for room in re.split(r"[ |]+", line) if room and "(" not in room} for line in text.splitlines()]
        return [row for row in rows if row]

    drawn = re.search(r"^```\n(.*?)^```", source("docs/map.md"), re.MULTILINE | re.DOTALL)
    kept = re.search(r"^layers =\n((?: +.*\n)+)", source(".importlinter"), re.MULTILINE)
    assert drawn is not None
    assert kept is not None
    assert storeys(re.sub(r"\s{2,}\S*[^\x00-\x7f].*", "", drawn[1])) == storeys(kept[1])


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
    assert ui.page_paths(whole_app()) - listed == set(), "a page that tests/journeys/test_axe.py does not open"
