"""The walls of the house: doors, room names, nameplates. Each failure says what to do."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import grimp
import pytest

from tongban.main.rooms import ROOMS

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "tongban"
ALLOWED_ROOMS = {"__init__", "model", "rules", "actions", "queries", "pages", "api", "letters", "tasks", "errors", "providers", "templates", "tests",
                 "holdings"}  # docs/adr/0011: what a room keeps of people
# rooms beyond house.md 4, each with the ADR or design page that gives it
EXTRA = {
    "identity": {"tokens"},  # identity.md 14: the only place that touches JOSE
    "ui": {"static", "frame", "forms", "rendering", "headers", "wiring", "routes", "filters", "gallery", "keeping"},  # docs/adr/0005: ui is no domain
}


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("tongban", cache_dir=None)


def test_a_folder_is_entered_by_its_front_door(graph):
    """Another room may import `tongban.<room>` only; kernel's modules are open; main may open every door."""
    wrong = []
    for module in sorted(graph.modules):
        parts = module.split(".")
        if len(parts) < 2 or parts[1] == "main" or "tests" in parts:
            continue
        for target in graph.find_modules_directly_imported_by(module):
            goal = target.split(".")
            if len(goal) > 2 and goal[1] not in {parts[1], "kernel"}:
                wrong.append(f"{module} imports {target}: import it from `tongban.{goal[1]}` (add it to that front door if it belongs there)")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ROOMS)
def test_room_names_are_the_few_everybody_knows(room):
    names = {path.stem for path in (SRC / room).iterdir() if path.name != "__pycache__" and (path.is_dir() or path.suffix == ".py" or path.suffix == "")}
    names = {name for name in names if not name.startswith(".")}
    strange = names - ALLOWED_ROOMS - EXTRA.get(room, set())
    assert not strange, f"{room} has {sorted(strange)}: house.md 4 lists the rooms; a new one needs an ADR and a line in EXTRA"


@pytest.mark.parametrize("room", ROOMS)
def test_every_folder_has_a_nameplate(room):
    """The first line of `__init__` carries the Chinese term; the plate names requirement ids."""
    plate = ast.get_docstring(ast.parse((SRC / room / "__init__.py").read_text("utf-8"))) or ""
    assert re.search(r"[\u4e00-\u9fff]", plate.splitlines()[0] if plate else ""), f"{room}/__init__.py: put the Chinese term into the first line"
    assert re.search(r"R-\d{3}", plate), f"{room}/__init__.py: name the requirement ids (R-…) it serves"


def test_no_file_is_too_long_to_read():
    files = [*SRC.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    long = [f"{path.relative_to(ROOT)} ({count})" for path in files if (count := len(path.read_text("utf-8").splitlines())) > 420]
    assert not long, "split into a folder of the same name, one file a verb; tests by what they show: " + ", ".join(long)


def test_what_begins_first_is_there(request):
    """The pieces of a whole run and the seconds they are ordered by (conftest.py, tests/seconds.toml) name files that exist."""
    run = request.config.pluginmanager.get_plugin(str(ROOT / "conftest.py"))
    named = {*run.SECONDS, *(one for files in run.TOGETHER.values() for one in files)}
    assert {one for one in named if not (ROOT / one).exists()} == set()
    assert run.share("tests/journeys/test_axe.py::test_x") == run.share("tests/nation/test_tour.py::test_y") == "walked"
    assert run.share("tests/faults/test_kill.py::test_x") != run.share("tests/faults/test_away.py::test_y"), "two nations: together they took as long as the run"


def test_only_doors_know_the_web_framework():
    """litestar is imported by pages, api, ui and main only."""
    wrong = []
    for path in SRC.rglob("*.py"):
        parts = path.relative_to(SRC).parts
        if parts[0] in {"ui", "main"} or "tests" in parts:
            continue
        if {"pages", "api"} & {Path(part).stem for part in parts}:
            continue
        if re.search(r"^\s*(from|import) litestar", path.read_text("utf-8"), re.MULTILINE):
            wrong.append("/".join(parts))
    assert not wrong, "move the HTTP part into pages or api: " + ", ".join(wrong)


def test_nothing_is_left_undone():
    """No stub is called done: these words may not stand in the package."""
    words = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "raise NotImplemented" + "Error"]) + r")\b")
    wrong = []
    for path in SRC.rglob("*.py"):
        if "tests" in path.parts or path.name == "settings.py":
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if words.search(line):
                wrong.append(f"{path.relative_to(SRC)}:{number}: {line.strip()}")
    assert not wrong, "\n".join(wrong)


def test_templates_do_not_escape_escaping():
    """`|safe` stands only where the frame gives a form token or a drawn picture; no inline script or handler."""
    wrong = []
    for path in SRC.rglob("templates/**/*.html"):
        text = path.read_text("utf-8")
        for match in re.finditer(r"\{\{[^}]*\|\s*safe[^}]*\}\}", text):
            if not re.search(r"token_field|svg|qr|caller\(\)|frame\.|icon", match.group()):
                wrong.append(f"{path.relative_to(SRC)}: {match.group()}")
        if re.search(r"<script(?![^>]*\bsrc=)[^>]*>\s*\S", text) or re.search(r"\son[a-z]+\s*=\s*[\"']", text):
            wrong.append(f"{path.relative_to(SRC)}: inline script or handler (CSP refuses it)")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ROOMS)
def test_every_door_is_open(room):
    """A room with pages or api lists its routes; with letters its LETTERS or CALLS; with tasks its CLOCKS or JOBS."""
    from tongban.main.rooms import door

    for name, tables in {"pages": ("routes",), "api": ("routes",), "letters": ("LETTERS", "CALLS"), "tasks": ("CLOCKS", "JOBS")}.items():
        module = door(room, name)
        if module is not None:
            assert any(getattr(module, table, None) for table in tables), f"{room}/{name} offers none of {tables}"


def test_the_back_office_navigation_leads_somewhere():
    """Each link of the desk's navigation has a door, an icon that is drawn, and actions that some role holds: else nobody sees it."""
    from tongban.main.menu import CORRECTIONS, STAFF
    from tongban.main.rooms import routes

    paths = {path for route in routes() for path in (getattr(route, "paths", None) or {getattr(route, "path", "")})}
    icons = (SRC / "ui" / "static" / "icons.svg").read_text("utf-8")
    held = {action for role in tomllib.loads((SRC / "identity" / "roles.toml").read_text("utf-8")).values() for action in role["actions"]}
    for link in (*STAFF, CORRECTIONS):
        assert link.href in paths, f"{link.text}: no door at {link.href}"
        assert f'id="i-{link.icon}"' in icons, f"{link.text}: icon {link.icon} is not drawn"
        assert set(link.opens) <= held, f"{link.text}: {sorted(set(link.opens) - held)} is an action of no role"
