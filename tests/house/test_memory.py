"""Memory that was freed goes back 内存归还: a node after much work is about as large as before (R-803)."""

import gc
import platform
import subprocess
import sys
import weakref

import pytest

from tongban.main import memory, tasks

PROGRAM = """
import ctypes, re, threading
from tongban.main import memory
FEW
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
all_there = threading.Barrier(9)

def work():
    kept = bytearray(50_000)
    all_there.wait()

threads = [threading.Thread(target=work) for _ in range(8)]
for one in threads:
    one.start()
all_there.wait()
for one in threads:
    one.join()
out = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fclose(ctypes.c_void_p(out))
"""


def _arenas(few: str) -> int:
    program = PROGRAM.replace("FEW", few)
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}).stdout
    return told.count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
def test_threads_of_a_node_share_a_few_arenas():
    assert _arenas("") > memory.ARENAS  # each keeps what its thread once needed
    assert _arenas("assert memory.few_arenas()") <= memory.ARENAS


def test_what_the_operator_says_about_arenas_wins(monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    assert memory.few_arenas() is False


def test_a_node_asks_for_few_arenas_before_anything_else():
    program = (
        "import asyncio; from tongban.main import memory, serve\n"
        "class Seen(Exception): pass\n"
        "def few_arenas(): raise Seen\n"
        "memory.few_arenas = few_arenas\n"
        "try: asyncio.run(serve.serve(None))\n"
        "except Seen: print('first')\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout == "first\n"


async def test_rings_of_objects_that_documents_leave_go_by_the_clock():
    class Ring:
        pass

    one = Ring()
    one.itself = one
    gone = weakref.ref(one)
    gc.disable()
    try:
        del one
        assert gone() is not None
        await next(clock for clock in tasks.CLOCKS if clock.name == "main.memory").run(None)
        assert gone() is None
    finally:
        gc.enable()
