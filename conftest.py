"""Shared by all tests: one PostgreSQL for the run, a migrated template, a clone for each module, real nodes on top."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import shutil
import threading
import tomllib
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import AsyncGeneratorType
from typing import Any

import asyncpg
import hypothesis
import pytest

from tongban.kernel.clock import SetClock
from tongban.kernel.node import Node
from tongban.kernel.settings import Settings
from tongban.main import migrate
from tongban.main.postgres import Postgres, passing_folder
from tongban.ui.tests import browser

# how long an example takes says something of the machine, not of the code
hypothesis.settings.register_profile(
    "tongban", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
hypothesis.settings.load_profile("tongban")

TEMPLATE = "tongban_template"
_server: Postgres | None = None
_folder: Path | None = None
_error_output = 2
"""Where a process that is about to end can still be heard: during a test the usual place is read by pytest."""
# real public codes of public bodies stand here only as shapes; the demo's own codes are invented (deploy/demo)
NAMES = {"cn": ("国家节点（演示）", "hub", ()), "mps": ("公安部（演示）", "ministry", ()), "samr": ("市场监管总局（演示）", "ministry", ()),
         "500000": ("重庆市", "province", ("50",)), "510000": ("四川省", "province", ("51",))}  # fmt: skip


async def _prepare(server: Postgres) -> None:
    await server.ready()
    connection = await asyncpg.connect(server.url())
    await connection.execute(f"CREATE DATABASE {TEMPLATE}")
    await connection.close()
    await asyncio.to_thread(migrate.upgrade, server.url(TEMPLATE))


def pytest_configure(config: pytest.Config) -> None:
    """The controller starts the server and makes the template; workers find its address in the environment."""
    global _server, _folder, _error_output  # noqa: PLW0603
    _error_output = os.dup(2)
    if hasattr(config, "workerinput") or os.environ.get("TONGBAN_TEST_SERVER") or config.option.collectonly:
        return
    _folder = passing_folder("tongban-test")
    _server = Postgres(_folder / "pg", durable=False)
    _server.start()
    asyncio.run(_prepare(_server))
    os.environ["TONGBAN_TEST_SERVER"] = _server.url("{database}")


def pytest_unconfigure(config: pytest.Config) -> None:
    if _server is not None and not hasattr(config, "workerinput"):
        _server.stop()
        os.environ.pop("TONGBAN_TEST_SERVER", None)
        if _folder is not None:
            shutil.rmtree(_folder, ignore_errors=True)


def server_url(database: str) -> str:
    return os.environ["TONGBAN_TEST_SERVER"].replace("{database}", database)


TOGETHER = {
    "killed at every step": ("tests/faults/test_kill.py",),
    "killed here and there": (
        "tests/faults/test_kill_sign_in.py", "tests/faults/test_away.py", "tests/faults/test_restored.py",
        "tests/federation/test_letters_processes.py", "tests/federation/test_calls_processes.py",
        "tests/federation/test_directory_processes.py", "tests/federation/test_two_histories.py",
    ),
    "walked": (
        "tests/journeys/", "tests/nation/test_tour.py", "tests/nation/test_agents.py", "tests/nation/test_company.py", "tests/nation/test_items.py",
        "tests/nation/test_licences.py",
    ),
    "judged": ("tests/conformance/oidc/",),
}  # fmt: skip
"""Files that share what stands for them: two nations of processes whose nodes are killed, one that people walk through, one household."""
SECONDS: dict[str, int] = tomllib.loads((Path(__file__).parent / "tests" / "seconds.toml").read_text("utf-8"))
LONG = 20
_took: Counter[str] = Counter()


def share(nodeid: str) -> str:
    """Which piece of the run a test belongs to: a piece runs in one process, in its order."""
    file = nodeid.partition("::")[0]
    return next((piece for piece, files in TOGETHER.items() if file.startswith(files)), file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, the many short files fill up behind; the order within a piece and a file stays."""
    seconds: Counter[str] = Counter()
    for file in {item.nodeid.partition("::")[0] for item in items}:
        seconds[share(file)] += SECONDS.get(file, 1)
    items.sort(key=lambda item: -seconds[share(item.nodeid)])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _took[report.nodeid.partition("::")[0]] += report.duration


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """After a whole run on several processes: its seconds for the next, and the files that began too late for how long they took."""
    if getattr(config.option, "dist", "no") != "loadfile" or config.args != config.getini("testpaths"):
        return
    listed = "".join(f'"{file}" = {seconds:.0f}\n' for file, seconds in _took.most_common() if seconds >= 10)
    (Path(__file__).parent / ".build").mkdir(exist_ok=True)
    (Path(__file__).parent / ".build" / "seconds.toml").write_text(listed, "utf-8")
    unknown = [file for file, seconds in _took.most_common() if seconds >= LONG and file not in SECONDS]
    if unknown:
        terminalreporter.write_line(f"over {LONG} s and not in tests/seconds.toml: {', '.join(unknown)} (see .build/seconds.toml)")


PATIENCE = 600.0
"""Seconds a test may take with all that is set up and taken down around it; `@pytest.mark.patience(seconds)` gives one more."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A test that stands still ends its process and says where each of its tasks waits; the others go on and the run fails.

    An exception raised into it would not do: what hangs is often what takes the test down again.
    """
    marked = item.get_closest_marker("patience")
    watch = threading.Timer(marked.args[0] if marked else PATIENCE, _stands_still, (item.nodeid,))
    watch.daemon = True
    watch.start()
    try:
        return (yield)
    finally:
        watch.cancel()


def _stands_still(nodeid: str) -> None:
    out = os.fdopen(os.dup(_error_output), "w", encoding="utf-8")
    tasks = [task for loop in gc.get_objects() if isinstance(loop, asyncio.AbstractEventLoop) for task in asyncio.all_tasks(loop)]
    print(f"\n{nodeid} stands still; its tasks wait here:", *map(_waits_at, tasks), sep="\n", file=out, flush=True)
    faulthandler.dump_traceback(file=out)
    os._exit(1)


def _waits_at(task: asyncio.Task[Any]) -> str:
    """The line a task stands on and those that called it, from the outermost in."""
    places, within = [], task.get_coro()
    while within is not None:
        frame = next((got for name in ("cr_frame", "gi_frame", "ag_frame") if (got := getattr(within, name, None))), None)
        places.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}" if frame else repr(within))
        within = next((got for name in ("cr_await", "gi_yieldfrom", "ag_await") if (got := getattr(within, name, None))), None)
        if type(within).__name__.startswith("async_generator_"):  # one step of a generator does not say whose step it is
            within = next((one for one in gc.get_referents(within) if isinstance(one, AsyncGeneratorType)), within)
    return f"{task.get_name()}: " + "\n    ".join(places)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Pieces instead of files, so that a run needs two nations and not one for each process (`make test` keeps our order)."""
    from xdist.scheduler import LoadScopeScheduling

    class ByPiece(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return share(nodeid)

    return ByPiece(config, log) if config.option.dist == "loadfile" else None


@asynccontextmanager
async def databases() -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Makes a fresh migrated database and gives its URL; all are dropped at the end."""
    made: list[str] = []

    async def make() -> str:
        name = f"t_{uuid.uuid4().hex[:16]}"
        connection = await asyncpg.connect(server_url("postgres"))
        try:  # copied as files: through the log it takes twice as long on a disk, ten times in memory
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE} STRATEGY file_copy')
        finally:
            await connection.close()
        made.append(name)
        return server_url(name)

    yield make
    connection = await asyncpg.connect(server_url("postgres"))
    for name in made:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    await connection.close()


@asynccontextmanager
async def nodes_of(
    new_database: Callable[[], Awaitable[str]], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[..., Awaitable[Node]]]:
    """Opens real nodes, each with its own database and keys; all are closed at the end."""
    async with AsyncExitStack() as stack:

        async def make(node_id: str = "500000", *, clock: Any = None, **more: Any) -> Node:
            name, role, divisions = NAMES.get(node_id, (node_id, "province", (node_id[:2],)))
            settings = Settings(
                **{
                    "node": node_id, "name": name, "role": role, "divisions": divisions,
                    "base_url": f"http://{node_id}.localhost:8100", "database_url": await new_database(),
                    "data_dir": tmp_path_factory.mktemp(node_id), "organisation": "11100000000013338W", "demo": True, **more,
                }
            )  # fmt: skip
            return await stack.enter_async_context(Node.open(settings, clock=clock))

        yield make


@pytest.fixture(scope="module")
async def new_database() -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """`await new_database()`: the URL of a fresh migrated database."""
    async with databases() as make:
        yield make


@pytest.fixture(scope="module")
async def make_node(
    new_database: Callable[[], Awaitable[str]], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[..., Awaitable[Node]]]:
    """`await make_node("510000", clock=…, **settings)`: a real node with its own database and keys."""
    async with nodes_of(new_database, tmp_path_factory) as make:
        yield make


@pytest.fixture(scope="session")
async def make_lasting_node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Callable[..., Awaitable[Node]]]:
    """As `make_node`, but the nodes stay for all files that this process runs."""
    async with databases() as new_database, nodes_of(new_database, tmp_path_factory) as make:
        yield make


@pytest.fixture(scope="module")
async def node(make_node: Callable[..., Awaitable[Node]]) -> Node:
    """The province 500000 重庆 with a real clock. One database for the module."""
    return await make_node("500000")


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Any]:
    """One Chromium for all that this process runs; every test opens contexts of its own."""
    async with browser.chromium() as running:
        yield running


@pytest.fixture
async def tx(node: Node) -> AsyncIterator[Any]:
    """A transaction on the module's node that is rolled back after the test."""

    class Undo(Exception):
        pass

    try:
        async with node.db.transaction() as connection:
            yield connection
            raise Undo  # noqa: TRY301
    except Undo:
        pass


@pytest.fixture
def set_clock() -> SetClock:
    """Wednesday 2026-11-18, 10:00 China time; `.move(timedelta(...))`."""
    return SetClock(datetime(2026, 11, 18, 2, 0, tzinfo=UTC))
