"""Take each control out once and see its test fail 逐条拆防线: what `make mutate-security` runs (threat-model.md).

`mutations.toml` names for each control its file, the exact text, what replaces it, the test that must fail, and a word of
the failure. Each entry is tried in a copy of the tree, never in the tree itself. killed = the test failed by an
assertion that holds the expected word; survived = the test still passes; stale = the text is no longer there exactly
once; broken = the test does not run, fails also without the mutation, or fails for another reason. Ends with 1 unless
every entry is killed.

Each result is written down at once (`.build/mutations.jsonl`), so a run that was cut off goes on where it stopped: an entry killed
before is not tried again while its words, its file and its test are the same. Tests that were quick the last time come first.

    make mutate-security                  what is not known to be killed yet
    make mutate-security AGAIN=1          every entry
    make mutate-security ONLY=T-20 JOBS=1
    python tests/security/mutate.py --list
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import asyncpg
import msgspec

from tongban.main import migrate
from tongban.main.postgres import Postgres, passing_folder

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("mutations.toml")
BOOK = ROOT / ".build" / "mutations.jsonl"
COPIED = ("src", "tests", "items", "deploy", "migrations", "docs", "examples", "conftest.py", "pyproject.toml", "alembic.ini", "CHANGELOG.md", "Makefile")
TEMPLATE = "tongban_template"
SECONDS = 180
NOT_ASSERTED = ("ImportError", "ModuleNotFoundError", "SyntaxError", "NameError", "IndentationError", "fixture '")


class Mutation(msgspec.Struct, frozen=True):
    """One control taken out (一条防线): its row, the place, and the test that must notice."""

    id: str
    file: str
    find: str
    replace: str
    test: str
    expect: str

    @property
    def threat(self) -> str:
        return self.id.split("/")[0]


class Open(msgspec.Struct, frozen=True):
    """A row whose place does not exist yet (还没有的), and why."""

    id: str
    why: str


class Listed(msgspec.Struct, frozen=True):
    """The whole list."""

    mutation: list[Mutation]
    open: list[Open]


def listed() -> Listed:
    """What mutations.toml holds. Raises msgspec.ValidationError."""
    return msgspec.convert(tomllib.loads(LIST.read_text("utf-8")), Listed)


def places(text: str, find: str) -> int:
    """How often a text stands in a file."""
    return text.count(find)


class Result(msgspec.Struct):
    """What became of one entry, and of which text of its place and its test that is true."""

    id: str
    state: str
    seconds: float
    note: str
    mark: str = ""
    test: str = ""


def mark(one: Mutation, root: Path = ROOT) -> str:
    """What a result depends on: the entry's words, its file, its test's file. Any change of them asks for a new try."""
    made = hashlib.sha256(msgspec.json.encode(one))
    for name in (one.file, one.test.split("::")[0]):
        path = root / name
        made.update(path.read_bytes() if path.exists() else b"")
    return made.hexdigest()[:24]


class Book:
    """The results of earlier runs (拆过的), the last word of each entry counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last: dict[str, Result] = {}
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            try:
                one = msgspec.json.decode(line, type=Result)
            except msgspec.DecodeError:
                continue  # a line cut off with the run that wrote it
            self.last[one.id] = one

    def add(self, one: Result) -> None:
        """Write a result down at once."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as out:
            out.write(msgspec.json.encode(one) + b"\n")
        self.last[one.id] = one

    def killed(self, one: Mutation) -> bool:
        """Whether exactly this entry was seen to fail its test."""
        known = self.last.get(one.id)
        return known is not None and known.state == "killed" and known.mark == mark(one)

    def seconds(self, entries: list[Mutation]) -> float:
        """How long these took the last time; those never tried count as the slowest."""
        return sum(self.last[one.id].seconds if one.id in self.last else 60.0 for one in entries)


class Bench:
    """One worker's copy of the tree, in which one entry at a time is tried."""

    def __init__(self, folder: Path, server: str) -> None:
        self.folder = folder
        self.server = server
        folder.mkdir(parents=True)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("node_modules"))
            elif source.exists():
                shutil.copy2(source, folder / name)
        # a mutated file is compiled anew because its time differs; the others need not be, each time
        subprocess.run([sys.executable, "-m", "compileall", "-q", "src"], cwd=folder, check=False, capture_output=True)

    def run(self, tests: list[str], *, own_server: bool = False) -> dict[str, str]:
        """Outcome of each test: `passed`, `skipped`, `error: …` or the message of its failed assertion."""
        report = self.folder / "report.xml"
        report.unlink(missing_ok=True)
        environment = {
            **os.environ, "PYTHONPATH": str(self.folder / "src"), "PYTHONDONTWRITEBYTECODE": "1", "TONGBAN_TEST_SERVER": self.server,
        }  # fmt: skip
        if own_server:
            del environment["TONGBAN_TEST_SERVER"]
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "--tb=short", f"--junitxml={report}", *tests]
        with subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        ) as process:
            try:
                out = process.communicate(timeout=SECONDS * max(1, len(tests) // 8))[0].decode("utf-8", "replace")
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.communicate()
                return dict.fromkeys(tests, "error: timeout")
        if not report.exists():
            return dict.fromkeys(tests, f"error: {out[-300:]}")
        found: dict[str, list[str]] = {test: [] for test in tests}
        for case in ET.parse(report).iter("testcase"):
            place, name = case.get("classname", ""), case.get("name", "")
            for test in tests:
                file, _, function = test.partition("::")
                if place == file.removesuffix(".py").replace("/", ".") and (name == function or name.startswith(function + "[") or not function):
                    found[test].append(_outcome(case))
        return {test: _worst(outcomes) if outcomes else f"error: not collected: {out[-300:]}" for test, outcomes in found.items()}

    def attempt(self, one: Mutation) -> str:
        """The outcome of the entry's test with the control taken out."""
        path = self.folder / one.file
        before, stat = path.read_text("utf-8"), path.stat()
        try:
            path.write_text(before.replace(one.find, one.replace), "utf-8")
            return self.run([one.test], own_server=one.file.startswith("migrations/"))[one.test]
        finally:
            path.write_text(before, "utf-8")
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _outcome(case: ET.Element) -> str:
    for kind in ("error", "failure"):
        found = case.find(kind)
        if found is not None:
            said = f"{found.get('message', '')}"
            if kind == "error" or any(one in said for one in NOT_ASSERTED):
                return f"error: {said}"
            return f"failed: {said}"
    return "skipped" if case.find("skipped") is not None else "passed"


def _worst(outcomes: list[str]) -> str:
    for start in ("error", "failed", "skipped"):
        for one in outcomes:
            if one.startswith(start):
                return one
    return "passed"


def judged(one: Mutation, baseline: str, outcome: str) -> tuple[str, str]:
    """(state, note) of an entry from what its test did with and without the control."""
    if baseline != "passed":
        return "broken", f"the test does not pass as it stands: {baseline[:200]}"
    if outcome == "passed":
        return "survived", "the test does not notice"
    if not outcome.startswith("failed"):
        return "broken", outcome[:300]
    if one.expect not in outcome:
        return "broken", f"failed without “{one.expect}”: {outcome[:300]}"
    return "killed", ""


def _server(folder: Path) -> Postgres:
    server = Postgres(folder / "pg", durable=False)
    server.start()

    async def prepare() -> None:
        await server.ready()
        connection = await asyncpg.connect(server.url())
        await connection.execute(f"CREATE DATABASE {TEMPLATE}")
        await connection.close()
        await asyncio.to_thread(migrate.upgrade, server.url(TEMPLATE))

    asyncio.run(prepare())
    return server


def groups(wanted: list[Mutation], book: Book) -> list[list[Mutation]]:
    """The entries by the file of their test, so that what its module builds is built once for the try without mutation; quick files first."""
    files: dict[str, list[Mutation]] = {}
    for one in wanted:
        files.setdefault(one.test.split("::")[0], []).append(one)
    return sorted(files.values(), key=lambda group: (book.seconds(group) / len(group), group[0].test))


def in_order(tests: set[str], root: Path = ROOT) -> list[str]:
    """Tests of one file in the order in which they stand there, which is the order they are written for."""
    text = {file: (root / file).read_text("utf-8") if (root / file).exists() else "" for file in {one.split("::")[0] for one in tests}}
    return sorted(tests, key=lambda one: (one.split("::")[0], text[one.split("::")[0]].find(f"def {one.partition('::')[2]}("), one))


def run(wanted: list[Mutation], *, jobs: int, book: Book) -> list[Result]:
    """Try every entry, `jobs` at a time, in copies of the tree on one database server. Each result goes into the book at once."""
    folder = passing_folder("tongban-mutate")
    server, results = _server(folder), []
    try:
        work: queue.SimpleQueue[list[Mutation]] = queue.SimpleQueue()
        for group in groups(wanted, book):
            work.put(group)

        def labour(bench: Bench) -> None:
            while True:
                try:
                    group = work.get_nowait()
                except queue.Empty:
                    return
                started = time.monotonic()
                baseline = bench.run(in_order({one.test for one in group}))
                share = (time.monotonic() - started) / len(group)
                for one in group:
                    results.append(_tried(bench, one, baseline[one.test], share))
                    book.add(results[-1])
                    print(f"{results[-1].state:9} {one.id:28} {results[-1].seconds:5.1f} s  {results[-1].note}", flush=True)

        _at_once([lambda number=number: labour(Bench(folder / f"tree{number}", server.url("{database}"))) for number in range(jobs)])
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return results


def _tried(bench: Bench, one: Mutation, baseline: str, share: float) -> Result:
    started, known = time.monotonic(), mark(one, bench.folder)
    count = places((bench.folder / one.file).read_text("utf-8"), one.find) if (bench.folder / one.file).exists() else 0
    state, note = "stale", f"its text stands {count} times in {one.file}"
    if count == 1:
        state, note = judged(one, baseline, bench.attempt(one) if baseline == "passed" else "")
    return Result(one.id, state, round(time.monotonic() - started + share, 1), " ".join(note.split())[:200], known, one.test)


def _at_once(parts: list) -> None:
    threads = [threading.Thread(target=one) for one in parts]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def main() -> int:
    parser = argparse.ArgumentParser(description="take each control of the threat model out once and see its test fail")
    parser.add_argument("--only", default=os.environ.get("ONLY", ""), help="a row (T-20) or an entry (T-20/known), several with commas")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("JOBS") or 2))
    parser.add_argument("--again", action="store_true", default=bool(os.environ.get("AGAIN")), help="also what is known to be killed")
    parser.add_argument("--list", action="store_true", help="what is known of each entry, and how long it took; tries nothing")
    asked = parser.parse_args()
    found, started, book = listed(), time.monotonic(), Book(BOOK)
    only = [one for one in asked.only.split(",") if one]
    chosen = [one for one in found.mutation if not only or one.id in only or one.threat in only]
    wanted = [one for one in chosen if asked.again or not book.killed(one)]
    if asked.list:
        for one in sorted(chosen, key=lambda one: -book.seconds([one])):
            known = book.last.get(one.id)
            state = "untried" if known is None else known.state if known.mark == mark(one) else f"was {known.state}"
            print(f"{state:13} {one.id:28} {known.seconds if known else 0:5.1f} s  {one.test}")
        print(f"\n{len(chosen) - len(wanted)} of {len(chosen)} killed as they stand; {book.seconds(chosen):.0f} s for all, one at a time")
        return 0
    still_open = [one for one in found.open if not only or one.id in only]
    results = run(wanted, jobs=max(1, min(asked.jobs, len(wanted))), book=book) if wanted else []
    for one in still_open:
        print(f"{'open':9} {one.id:28}          {one.why}")
    count = {state: sum(one.state == state for one in results) for state in ("killed", "survived", "stale", "broken")}
    before = len(chosen) - len(wanted)
    told = ", ".join(f"{number} {state}" for state, number in count.items())
    print(f"\n{told}, {before} killed before, {len(still_open)} open; {time.monotonic() - started:.0f} s")
    return 0 if count["killed"] == len(results) and (results or before or still_open) else 1


if __name__ == "__main__":
    sys.exit(main())
