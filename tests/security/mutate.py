"""Take each control out once and see its test fail 逐条拆防线: what `make mutate-security` runs (threat-model.md).

`mutations.toml` names for each control its file, the exact text, what replaces it, the test that must fail, and a word of
the failure. Each entry is tried in a copy of the tree, never in the tree itself. killed = the test failed by an
assertion that holds the expected word; survived = the test still passes; stale = the text is no longer there exactly
once; broken = the test does not run, fails also without the mutation, or fails for another reason. Ends with 1 unless
every entry is killed.

    make mutate-security
    make mutate-security ONLY=T-20
"""

from __future__ import annotations

import argparse
import asyncio
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import asyncpg
import msgspec

from tongban.main import migrate
from tongban.main.postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("mutations.toml")
COPIED = ("src", "tests", "items", "deploy", "migrations", "docs", "examples", "conftest.py", "pyproject.toml", "alembic.ini", "CHANGELOG.md")
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
    """What became of one entry."""

    id: str
    state: str
    seconds: float
    note: str


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


def run(wanted: list[Mutation], *, jobs: int) -> list[Result]:
    """Try every entry, `jobs` at a time, in copies of the tree on one database server."""
    folder = Path(tempfile.mkdtemp(prefix="tongban-mutate-"))
    folder.chmod(0o755)
    server, results = _server(folder), []
    try:
        benches = [Bench(folder / f"tree{number}", server.url("{database}")) for number in range(jobs)]
        baseline = _baseline(benches, sorted({one.test for one in wanted}))
        work: queue.SimpleQueue[Mutation] = queue.SimpleQueue()
        for one in wanted:
            work.put(one)

        def labour(bench: Bench) -> None:
            while True:
                try:
                    one = work.get_nowait()
                except queue.Empty:
                    return
                started = time.monotonic()
                count = places((bench.folder / one.file).read_text("utf-8"), one.find) if (bench.folder / one.file).exists() else 0
                state, note = "stale", f"its text stands {count} times in {one.file}"
                if count == 1:
                    state, note = judged(one, baseline[one.test], bench.attempt(one) if baseline[one.test] == "passed" else "")
                note = " ".join(note.split())[:200]
                results.append(Result(one.id, state, time.monotonic() - started, note))
                print(f"{state:9} {one.id:28} {results[-1].seconds:5.1f} s  {note}", flush=True)

        _at_once([lambda bench=bench: labour(bench) for bench in benches])
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return results


def _baseline(benches: list[Bench], tests: list[str]) -> dict[str, str]:
    """What every test does without a mutation: a file at a time, so that what its module builds is built once."""
    files: dict[str, list[str]] = {}
    for test in tests:
        files.setdefault(test.split("::")[0], []).append(test)
    work: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
    for group in files.values():
        work.put(group)
    found: dict[str, str] = {}

    def labour(bench: Bench) -> None:
        while True:
            try:
                group = work.get_nowait()
            except queue.Empty:
                return
            found.update(bench.run(group))

    _at_once([lambda bench=bench: labour(bench) for bench in benches])
    return found


def _at_once(parts: list) -> None:
    threads = [threading.Thread(target=one) for one in parts]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def main() -> int:
    parser = argparse.ArgumentParser(description="take each control of the threat model out once and see its test fail")
    parser.add_argument("--only", default=os.environ.get("ONLY", ""), help="a row (T-20) or an entry (T-20/known), several with commas")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("JOBS", "2")))
    asked = parser.parse_args()
    found, started = listed(), time.monotonic()
    only = [one for one in asked.only.split(",") if one]
    wanted = [one for one in found.mutation if not only or one.id in only or one.threat in only]
    still_open = [one for one in found.open if not only or one.id in only]
    results = run(wanted, jobs=max(1, min(asked.jobs, len(wanted)))) if wanted else []
    for one in still_open:
        print(f"{'open':9} {one.id:28}          {one.why}")
    count = {state: sum(one.state == state for one in results) for state in ("killed", "survived", "stale", "broken")}
    print(f"\n{', '.join(f'{number} {state}' for state, number in count.items())}, {len(still_open)} open; {time.monotonic() - started:.0f} s")
    return 0 if count["killed"] == len(results) and (results or still_open) else 1


if __name__ == "__main__":
    sys.exit(main())
