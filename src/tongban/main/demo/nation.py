"""The nation 演示国: starts PostgreSQL and the nodes, admits them to the hub, keeps them running, ends them together."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import msgspec

from tongban.kernel import settings as node_settings
from tongban.kernel.settings import CODE_ROOT, Settings
from tongban.main import migrate
from tongban.main.demo import control, shelves
from tongban.main.demo.admission import admit, prepare_hub
from tongban.main.leash import leashed
from tongban.main.postgres import Postgres

ORDER = ("cn", "mps", "samr", "500000", "510000")
_TEMPLATE = "tongban_template"
_START_SECONDS = 150
_PAUSES = (0, 1, 2, 4, 8, 15)
"""Seconds before each new try to start a node that died, as a service manager would."""


class NationError(Exception):
    """The demo could not be started; the message says which node and where its log is."""


class Member(msgspec.Struct):
    """One node of the demo as a process (一个节点进程)."""

    settings: Settings
    process: asyncio.subprocess.Process | None = None
    wanted: bool = True
    watcher: asyncio.Task[None] | None = None


class Nation:
    """Five nodes (or those asked for) from `deploy/nodes`, their data under `folder` (演示国).

    `say` gets a sentence for each step. `port_base` moves all ports, so that several nations can run side by side; `overrides` are settings of every node.
    """

    def __init__(
        self, folder: Path, *, nodes: tuple[str, ...] = ORDER, port_base: int | None = None, durable: bool = True,
        say: Callable[[str], None] = print, overrides: dict[str, int | str | bool] | None = None,
    ) -> None:  # fmt: skip
        self.folder = folder.resolve()
        self.say = say
        self.postgres = Postgres(self.folder / "postgres", durable=durable)
        self.overrides = overrides or {}
        self.members = {one: Member(self._settings(one, port_base)) for one in nodes}
        self._server: asyncio.Server | None = None
        self._closing = False
        self._lock: int | None = None

    def _settings(self, node: str, port_base: int | None) -> Settings:
        read = node_settings.load(CODE_ROOT / "deploy" / "nodes" / f"{node}.toml")
        port = read.bind_port if port_base is None else port_base + ORDER.index(node)
        return msgspec.structs.replace(
            read, bind_port=port, base_url=f"http://{node}.localhost:{port}", connect=f"127.0.0.1:{port}",
            database_url=self.postgres.url(f"tongban_{node}"), data_dir=self.folder / node, log_json=True, **self.overrides,
        )  # fmt: skip

    def settings(self, node: str) -> Settings:
        """The settings a member runs with."""
        return self.members[node].settings

    @property
    def socket(self) -> Path:
        """Where `tongban demo stop|start|kill` reaches a running demo."""
        return self.folder / "control"

    def claim(self) -> None:
        """Make the folder ours until `close` or our death, and end what a killed launcher left. Raises NationError."""
        if self._lock is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise NationError(f"a demo is already running with its data in {self.folder}. End it with Ctrl-C where it runs, "
                              "or give another folder with --folder.") from None  # fmt: skip
        self._lock = lock
        for member in self.members.values():
            _end_leftover(member.settings.data_dir)
        for member in self.members.values():
            _must_be_free(member.settings)

    async def start(self) -> None:
        """Database, migrations, all nodes at once, admission of the others to the hub. Raises NationError, PostgresError."""
        self.claim()
        self.say("starting PostgreSQL …")
        self.postgres.start()
        await self.postgres.ready()
        await self._databases()
        hub = self.members[next(iter(self.members))].settings
        self.say(f"starting {', '.join(f'{node} {one.settings.name}' for node, one in self.members.items())} …")
        others = [node for node in self.members if node != hub.node]
        async with asyncio.TaskGroup() as starting:
            starting.create_task(self._start_hub(hub))
            for node in others:
                starting.create_task(self._start(node))
        self.say("admitting them to the hub …")
        await asyncio.gather(*(admit(hub, self.settings(node), self.say) for node in others))
        if not await shelves.filled([one.settings for one in self.members.values()], seconds=_START_SECONDS):
            self.say("some services of other nodes are still on their way: search may miss them for now")
        self._server = await control.listen(self.socket, self._command)

    async def _start_hub(self, hub: Settings) -> None:
        await prepare_hub(hub)
        await self._start(hub.node)

    async def _databases(self) -> None:
        connection = await asyncpg.connect(self.postgres.url())
        try:
            have = {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
            for node in self.members:
                if f"tongban_{node}" in have:
                    await asyncio.to_thread(migrate.upgrade, self.settings(node).database_url)
                    continue
                if _TEMPLATE not in have:
                    self.say("making the tables …")
                    await connection.execute(f"CREATE DATABASE {_TEMPLATE}")
                    await asyncio.to_thread(migrate.upgrade, self.postgres.url(_TEMPLATE))
                    have.add(_TEMPLATE)
                # a thousand files: copied at half the cost of the log, unless each must reach the disk
                strategy = "wal_log" if self.postgres.durable else "file_copy"
                await connection.execute(f'CREATE DATABASE "tongban_{node}" TEMPLATE {_TEMPLATE} STRATEGY {strategy}')
            if _TEMPLATE in have:
                await connection.execute(f"DROP DATABASE {_TEMPLATE}")
        finally:
            await connection.close()

    async def _start(self, node: str) -> None:
        """Start one node as a process and wait until it says `ready`."""
        member = self.members[node]
        member.wanted = True
        folder = member.settings.data_dir
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "node.json"
        config.write_bytes(msgspec.json.encode(_plain(member.settings)))
        log_file = (folder / "node.log").open("ab")
        try:
            member.process = await asyncio.create_subprocess_exec(
                *leashed([sys.executable, "-m", "tongban.main.cli", "node", "--settings-json", str(config)], end=signal.SIGTERM),
                stdout=asyncio.subprocess.PIPE, stderr=log_file, stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        finally:
            log_file.close()
        out = member.process.stdout
        if out is None:
            raise NationError(f"{node}: no standard output")
        (folder / "node.pid").write_text(str(member.process.pid))
        try:
            async with asyncio.timeout(_START_SECONDS):
                line = b""
                while line.strip() != b"ready":
                    line = await out.readline()
                    if not line:
                        raise NationError(
                            f"{node} ended while starting: {_last_words(folder / 'node.log')}; its log is {folder / 'node.log'}"
                        )
        except TimeoutError:
            raise NationError(f"{node} was not ready in {_START_SECONDS} s; its log is {folder / 'node.log'}") from None
        member.watcher = asyncio.create_task(self._watch(node, member.process))

    async def _watch(self, node: str, process: asyncio.subprocess.Process) -> None:
        """A node that dies is started again, as a service manager would; one that was stopped stays so."""
        status = await process.wait()
        member = self.members[node]
        if not self._wanted(member) or member.process is not process:
            return
        self.say(f"{node} ended ({status}); starting it again …")
        for seconds in _PAUSES:
            await asyncio.sleep(seconds)  # a start that failed is tried again later and later
            if not self._wanted(member):
                return
            try:
                await self._start(node)
            except NationError as error:
                self.say(str(error))
            else:
                return

    def _wanted(self, member: Member) -> bool:
        return member.wanted and not self._closing

    async def stop(self, node: str) -> None:
        """Stop one node cleanly and leave it stopped."""
        member = self.members[node]
        member.wanted = False
        if member.process is not None and member.process.returncode is None:
            member.process.terminate()
            try:
                async with asyncio.timeout(15):
                    await member.process.wait()
            except TimeoutError:
                member.process.kill()
                await member.process.wait()

    async def kill(self, node: str, *, again: bool = True) -> None:
        """Kill -9 one node; with `again` it is started again by the watcher and this waits for it. NationError if it does not come back."""
        member = self.members[node]
        member.wanted = again
        process, watcher = member.process, member.watcher
        if process is None or process.returncode is not None:
            return
        process.kill()
        await process.wait()
        if again and watcher is not None:
            await watcher
            if member.process is process or member.process is None or member.process.returncode is not None:
                raise NationError(f"{node} did not start again; its log is {member.settings.data_dir / 'node.log'}")

    async def start_again(self, node: str) -> None:
        """Start a stopped node."""
        member = self.members[node]
        if member.process is None or member.process.returncode is not None:
            await self._start(node)

    async def _command(self, verb: str, node: str) -> str:
        if node not in self.members:
            return f"no node {node}; there are {', '.join(self.members)}"
        try:
            if verb == "stop":
                await self.stop(node)
            elif verb == "start":
                await self.start_again(node)
            elif verb == "kill":
                await self.kill(node)
            else:
                return "say stop, start or kill"
        except NationError as error:
            return str(error)
        return f"{verb} {node}: done"

    async def close(self) -> None:
        """End all nodes, then the database."""
        self._closing = True
        if self._server is not None:
            self._server.close()
            self.socket.unlink(missing_ok=True)
        await asyncio.gather(*(self.stop(node) for node in reversed(self.members)), return_exceptions=True)
        await asyncio.to_thread(self.postgres.stop)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def wipe(self) -> None:
        """Delete all data of the demo. Only when nothing of it runs: before `start` after `claim`, or after `close`."""
        if self._lock is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        for one in self.folder.iterdir():
            if one.is_dir() and not one.is_symlink():
                shutil.rmtree(one, ignore_errors=True)
            elif one.name != "lock":
                one.unlink(missing_ok=True)


def _plain(settings: Settings) -> dict[str, object]:
    return {
        field.name: str(value) if isinstance(value := getattr(settings, field.name), Path) else value
        for field in msgspec.structs.fields(Settings)
    }


def _last_words(log_file: Path) -> str:
    """The last line of a node's log, which says why it ended."""
    lines = log_file.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else "it wrote nothing"


def _end_leftover(folder: Path) -> None:
    """End a node whose launcher was killed: it ends by itself, so this mostly waits for it; after ten seconds it is killed."""
    try:
        pid = int((folder / "node.pid").read_text())
        gone = os.pidfd_open(pid)
    except (OSError, ValueError):
        return
    try:
        if str(folder / "node.json").encode() not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(gone, number)
            if select.select([gone], [], [], 10)[0]:
                return
    except OSError:
        return
    finally:
        os.close(gone)


def _must_be_free(settings: Settings) -> None:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((settings.bind_host, settings.bind_port))
        except OSError:
            raise NationError(f"port {settings.bind_port}, which {settings.node} needs, is taken by another program: "
                              "end that first; perhaps it is a demo with another folder.") from None  # fmt: skip
