"""The nursery 孵化进程: reads the program in once and forks each node of a demo from it, in a second instead of five.

Only the demo and the tests start nodes this way; in production each node is a service of its own (`tongban node`). A node
made here is a process like any other: own session, own database, own log, killed and started again alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

import msgspec

from tongban.kernel.settings import Settings

_MESSAGE = 4096
_PR_SET_PDEATHSIG = 1


class Process:
    """A node as its starter sees it: `pid`, `returncode` (None while it runs, -N after signal N), `stdout`, `wait`."""

    def __init__(self, pid: int, stdout: asyncio.StreamReader) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        """The return code, once it has ended."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended; the nursery's word of that is on its way
                os.kill(self.pid, number)

    def ended(self, status: int) -> None:
        """The nursery's word that it has ended."""
        if self.returncode is None:
            self.returncode = status
            self._ended.set()


class Nursery:
    """The parent of a nation's nodes, itself a child of the launcher; its nodes end when it ends."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._parent: asyncio.subprocess.Process | None = None
        self._processes: dict[int, Process] = {}
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._early: dict[int, int] = {}
        self._number = 0
        self._opening = asyncio.Lock()

    async def fork(self, settings: Settings) -> Process:
        """A new process that serves the node of `settings` and writes its log to the end of `node.log` in its folder.

        Raises ChildProcessError when the nursery could not start.
        """
        folder = settings.data_dir
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "node.json"
        config.write_bytes(msgspec.json.encode(_plain(settings)))
        await self.open()
        assert self._socket is not None
        self._number += 1
        number = self._number
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        reader, writer = os.pipe()
        try:
            words = json.dumps({"n": number, "config": str(config), "log": str(folder / "node.log")}).encode()
            socket.send_fds(self._socket, [words], [writer])
        finally:
            os.close(writer)
        stream = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reader, "rb", 0))
        process = Process(await answer, stream)
        self._processes[process.pid] = process
        if process.pid in self._early:
            process.ended(self._early.pop(process.pid))
        return process

    async def open(self) -> None:
        """Let it begin to read the program in, if it does not run; `fork` does so too, and waits for it."""
        async with self._opening:
            if self._socket is None:
                await self._open()

    async def _open(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            self._parent = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tongban.main.demo.nursery", str(theirs.fileno()), pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL, preexec_fn=end_with_parent, start_new_session=True,
            )  # fmt: skip
        finally:
            theirs.close()
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours.fileno(), self._heard)

    def _heard(self) -> None:
        assert self._socket is not None
        try:
            words = self._socket.recv(_MESSAGE)
        except BlockingIOError:
            return
        except OSError:
            words = b""
        if not words:
            self._gone()
            return
        said = json.loads(words)
        if "n" in said:
            answer = self._waiting.pop(said["n"])
            if answer.done():  # nobody waits for this one any more
                os.kill(said["pid"], signal.SIGTERM)
            else:
                answer.set_result(said["pid"])
        elif said["pid"] in self._processes:
            self._processes.pop(said["pid"]).ended(said["status"])
        else:
            self._early[said["pid"]] = said["status"]

    def _gone(self) -> None:
        """The nursery itself has ended, and with it every node of it; the next fork opens a new one."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        for process in self._processes.values():
            process.ended(-signal.SIGTERM)
        self._processes.clear()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ChildProcessError("the process that starts the nodes has ended"))
        self._waiting.clear()

    async def close(self) -> None:
        """End the nursery; its nodes should have ended before."""
        if self._parent is not None and self._parent.returncode is None:
            self._parent.terminate()
            await self._parent.wait()
        self._gone()


def _plain(settings: Settings) -> dict[str, object]:
    return {
        field.name: str(value) if isinstance(value := getattr(settings, field.name), Path) else value
        for field in msgspec.structs.fields(Settings)
    }


# ---- the nursery's own side -----------------------------------------------------------------------------------------


def end_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when its parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def main() -> None:
    """Read the program in, then fork a node for each request until the launcher hangs up; then end them all."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    _read_in()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with selectors.DefaultSelector() as asked:
        asked.register(channel, selectors.EVENT_READ)
        try:
            while _turn(channel, asked):
                pass
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            nodes = [key.data for key in asked.get_map().values() if key.data]
            for pid in nodes:
                os.kill(pid, signal.SIGTERM)
            for pid in nodes:
                os.waitpid(pid, 0)


def _turn(channel: socket.socket, asked: selectors.BaseSelector) -> bool:
    """Wait for a request or an end and see to it; False when the launcher has hung up."""
    for key, _ in asked.select():
        if key.fileobj is channel:
            words, handles, _, _ = socket.recv_fds(channel, _MESSAGE, 1)
            if not words:
                return False
            pid = _forked(json.loads(words), handles[0], channel, asked)
            asked.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
        else:
            asked.unregister(key.fileobj)
            os.close(key.fd)
            _, status = os.waitpid(key.data, 0)
            channel.send(json.dumps({"pid": key.data, "status": os.waitstatus_to_exitcode(status)}).encode())
    return True


def _read_in() -> None:
    """Everything a node needs, before there is one: what is read here, all nodes share."""
    gc.disable()
    import tongban.main.app
    import tongban.main.serve
    import tongban.main.set_up  # noqa: F401
    from tongban.main import rooms

    rooms.routes(), rooms.letters(), rooms.calls(), rooms.job_handlers(), rooms.clocks()
    gc.freeze()


def _forked(wanted: dict[str, Any], out: int, channel: socket.socket, asked: selectors.BaseSelector) -> int:
    nursery = os.getpid()
    pid = os.fork()
    if pid:
        os.close(out)
        channel.send(json.dumps({"n": wanted["n"], "pid": pid}).encode())
        return pid
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        end_with_parent()
        if os.getppid() == nursery:  # else it ended before the kernel knew whom to tell
            asked.close()
            channel.close()
            log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(out, 1)
            os.dup2(log, 2)
            os.closerange(3, 1 << 16)
            _serve(Path(wanted["config"]))
            status = 0
    except SystemExit as asked_for:
        status = asked_for.code if isinstance(asked_for.code, int) else 1
    except BaseException:  # noqa: BLE001  the end of a process: said in its log, and by its status
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _serve(config: Path) -> None:
    import uvloop

    from tongban.main import serve

    uvloop.run(serve.serve(msgspec.json.decode(config.read_bytes(), type=Settings, dec_hook=lambda _kind, value: Path(value))))


if __name__ == "__main__":
    main()
