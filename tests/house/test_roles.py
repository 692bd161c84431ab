"""The role matrix (R-602, T-61): every staff action the source checks stands in roles.toml and in docs/operate/roles.md, and the other way."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tongban.cases.rules.desk import ACTS
from tongban.credentials.rules.templates import acts
from tongban.federation.actions import officers
from tongban.identity.actions import dispute_desk
from tongban.identity.actions.proposals import kinds
from tongban.identity.rules import roles
from tongban.kernel.actor import Actor
from tongban.main.rooms import ROOMS
from tongban.service_apps.rules.life import transitions

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "tongban"
NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
ACTION = re.compile(rf"^({'|'.join(ROOMS)})\.[a-z_]+$")
# actions that reach the check inside a table: file -> what the table holds
TABLES = {
    "cases/rules/desk.py": {action for action, _ in ACTS.values()},
    "credentials/actions/office.py": {act.right for act in acts().values() if act.right},
    "service_apps/pages.py": {row.action for row in transitions().values()},
    "identity/actions/dispute_desk.py": {dispute_desk.DECIDE, dispute_desk.CONFIRM},
    "identity/actions/proposals.py": {action for one in kinds().values() for action in (one.propose, one.approve)},
    "federation/actions/officers.py": set(officers.ROLES.values()),
    "federation/pages/nodes.py": set(officers.ROLES.values()),
    "identity/pages/proposals.py": {action for one in kinds().values() for action in (one.propose, one.approve)},
}


class Source:
    """What the package asks of its staff: literals, constants by name, and who hands an action on."""

    def __init__(self) -> None:
        self.trees = {
            str(path.relative_to(SRC)): ast.parse(path.read_text("utf-8"))
            for path in SRC.rglob("*.py")
            if "tests" not in path.parts and "demo" not in path.parts
        }
        self.constants: dict[tuple[str, str], str] = {}
        for file, tree in self.trees.items():
            for node in tree.body:
                if isinstance(node, ast.Assign):
                    for target in node.targets:
                        pairs = zip(target.elts, node.value.elts, strict=True) if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple) else [(target, node.value)]
                        for name, value in pairs:
                            if isinstance(name, ast.Name) and isinstance(value, ast.Constant) and ACTION.match(str(value.value)):
                                self.constants[file, name.id] = value.value
        self.carriers = {"may", "require_may", "covers", "holds"}
        self.found: dict[str, str] = {}
        self.loose: set[str] = set()
        size = 0
        while size != len(self.carriers):
            size = len(self.carriers)
            self.loose.clear()
            for file, tree in self.trees.items():
                self._walk(file, tree, ())

    def _walk(self, file: str, node: ast.AST, around: tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            around = (*around, node)
        if isinstance(node, ast.Call) and _name(node.func) in self.carriers:
            self._call(file, node, around)
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant) and _name(node.comparators[0]) in {"actions", "held"}:
            self._take(file, node.left)
        for child in ast.iter_child_nodes(node):
            self._walk(file, child, around)

    def _call(self, file: str, node: ast.Call, around: tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]) -> None:
        if any(self._take(file, one) for one in node.args[:4]):
            return
        if around and around[-1].name in {"may", "require_may"}:
            return
        params = {one.arg for one in around[-1].args.args} if around else set()
        names = {one.id for one in node.args[:4] if isinstance(one, ast.Name)}
        if _name(node.func) in {"may", "require_may", "covers"} and node.args and isinstance(node.args[0], ast.Name) and node.args[0].id in params:  # noqa: SIM114  two different cases
            self.carriers.add(around[-1].name)
        elif _name(node.func) not in {"may", "require_may", "covers"} and "action" in names & params:
            self.carriers.add(around[-1].name)
        elif _name(node.func) in {"may", "require_may"} and not self._looped(file, node, around):
            self.loose.add(file)

    def _looped(self, file: str, node: ast.Call, around: tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]) -> bool:
        """An action out of a written list in the same function."""
        if not around or not isinstance(node.args[0], ast.Name):
            return False
        lists = [one for one in ast.walk(around[-1]) if isinstance(one, ast.Tuple | ast.List | ast.Set | ast.Dict | ast.IfExp | ast.Assign)]
        said = {each for one in ast.walk(around[-1]) if isinstance(one, ast.Call) and _name(one.func).lower() in {"failure", "refusal"} for each in one.args}
        texts = {each for one in lists for each in ast.walk(one) if isinstance(each, ast.Constant | ast.Name)} - said
        return any([self._take(file, one) for one in texts])  # noqa: C419  each is looked at: taking one remembers it

    def _take(self, file: str, node: ast.AST) -> bool:
        """An action written here, or a constant of this file, or of the file whose module the name is taken from."""
        if isinstance(node, ast.Constant):
            values = {str(node.value)}
        elif isinstance(node, ast.Name):
            values = {value for (where, name), value in self.constants.items() if name == node.id and where == file}
        else:
            module = _name(node.value) if isinstance(node, ast.Attribute) else ""
            values = {value for (where, name), value in self.constants.items() if name == _name(node) and Path(where).stem == module}
        found = {value for value in values if ACTION.match(value)}
        for value in found:
            self.found.setdefault(value, file)
        return bool(found)


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


@pytest.fixture(scope="module")
def source() -> Source:
    return Source()


def written() -> dict[str, set[str]]:
    """docs/operate/roles.md: action -> roles that may."""
    text = (ROOT / "docs" / "operate" / "roles.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|[^|]*\| ([^|]*) \|$", text, re.MULTILINE)
    return {action: set(re.findall(r"`([a-z_]+)`", who)) for action, who in rows}


def test_every_action_the_source_checks_is_in_the_roles(source: Source) -> None:
    known = {action for role in roles.roles().values() for action in role.actions}
    asked = set(source.found) | {action for file in TABLES for action in TABLES[file]}
    missing = {action: source.found.get(action, "a table") for action in asked - known}
    assert not missing, f"asked of staff and held by no role: add to identity/roles.toml and docs/operate/roles.md: {missing}"
    assert not known - asked, f"in roles.toml and asked nowhere: take it out: {sorted(known - asked)}"


def test_no_check_takes_its_action_from_where_nobody_looks(source: Source) -> None:
    strange = source.loose - set(TABLES)
    assert not strange, f"the action of a may/require_may comes from a table: name the table in TABLES: {sorted(strange)}"


def test_the_written_matrix_is_the_one_that_runs() -> None:
    """What an operator reads is what the program asks (R-602): action by action, role by role."""
    table = written()
    runs: dict[str, set[str]] = {}
    for code, role in roles.roles().items():
        for action in role.actions:
            runs.setdefault(action, set()).add(code)
    assert table == runs, "docs/operate/roles.md and identity/roles.toml differ"


AREA, OWN, OTHER_COUNTY = "510100", "510104", "500103"
UNIT, OTHER_UNIT = "11510100DEM000014N", "11510104DEM000057X"


@pytest.mark.parametrize("role", sorted(roles.roles()))
def test_the_whole_matrix(role: str) -> None:
    """Roles × actions × own/other county × own/other department × item in/out × before/after the end: allowed as written (T-61)."""
    table, count = written(), 0
    held = roles.assignment(role, AREA, org=UNIT, items=frozenset({"A"}), until=NOW)
    for action, holders in table.items():
        for division in (OWN, AREA, OTHER_COUNTY, "510000", ""):
            for org in (UNIT, OTHER_UNIT, ""):
                for item in ("A", "B", None):
                    for at in (NOW - timedelta(seconds=1), NOW):
                        right = role in holders and division in {OWN, AREA} and org == UNIT and item == "A" and at < NOW
                        clerk = Actor(kind="staff", subject="s1", staff_id="1", assignments=(held,))
                        assert roles.allowed(clerk, action, division=division, org=org, item=item, now=at) is right, (role, action, division, org, item)
                        for nobody in (Actor(kind="citizen", subject="n1", acr=4, assignments=(held,)), Actor(kind="nobody", assignments=(held,))):
                            assert not roles.allowed(nobody, action, division=division, org=org, item=item, now=at)
                        count += 1
    assert count == len(table) * 90


def test_administrators_hold_nothing_on_persons() -> None:
    """T-63: neither by one role nor by two together; every pair is tried."""
    known = roles.roles()
    touching = {action for one in known.values() if one.kind == "persons" for action in one.actions}
    for code, role in known.items():
        if role.kind == "administration":
            assert not role.actions & touching, f"{code} acts on persons"
            for other, second in known.items():
                assert bool(roles.clash([other], code)) is (second.kind == "persons"), (code, other)


FINDS_BY_NUMBER = {
    "identity/queries/persons.py",  # the query itself
    "identity/actions/reasons.py",  # a counter visit: line and message before any answer
    "identity/actions/emergency.py",  # a named person of a break-glass: nothing is shown before the line
    "identity/actions/theft.py",  # a person's own report, or one by 12345 with its line: answers nothing
    "credentials/actions/office.py",  # the licence desk: the line before the answer, and one answer for stranger and wrong name
    "identity/actions/phone_change.py",  # a person's own recovery
    "privacy/actions/relatives.py",  # who died, named at a desk: the line before any answer, and one answer for stranger and wrong name
    "privacy/actions/holds.py",  # a legal hold: the line before any answer, and one answer for stranger and wrong name
}


def test_nobody_is_found_by_number_but_through_a_reason() -> None:
    """T-60: a new place that finds a person by number must say here which line it writes first."""
    found = {str(path.relative_to(SRC)) for path in SRC.rglob("*.py") if "tests" not in path.parts and "person_by_number(" in path.read_text("utf-8")}
    assert found <= FINDS_BY_NUMBER, f"a door without a ledger line: {sorted(found - FINDS_BY_NUMBER)}"
