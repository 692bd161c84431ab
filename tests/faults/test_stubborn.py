"""A stop that something in the node does not want 停不下来的任务: the process ends all the same (R-803)."""

import subprocess
import sys


def test_a_task_that_swallows_every_cancellation_does_not_keep_the_process_that_has_served():
    program = """
import asyncio
from tongban.main import serve

async def stubborn():
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

async def node(_settings):
    node.task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)

serve.serve = node
serve.run(None)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, "main.left" in ended.stdout + ended.stderr) == (0, True), ended.stderr
