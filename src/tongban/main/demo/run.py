"""`tongban demo` 运行演示国: start all, print where and who, wait for Ctrl-C or SIGTERM, end all."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import yaml

from tongban.kernel.settings import CODE_ROOT
from tongban.main.demo.nation import ORDER, Nation, NationError
from tongban.main.postgres import PostgresError

PEOPLE = CODE_ROOT / "deploy" / "demo" / "people.yaml"
# those whom the five-minute walk of the README meets
WALK = frozenset({"SC-YY-01", "SC-YY-02", "CD-SJ-01", "CD-SJ-02", "CD-SJ-03", "YZ-DT-01"})
VERIFIERS = CODE_ROOT / "deploy" / "demo" / "verifiers.yaml"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def run(folder: Path, *, fresh: bool = False, first_port: int | None = None, nodes: tuple[str, ...] = ORDER) -> None:
    """Run the demo nation until a signal ends it. Exit code 1 with a sentence when it cannot start."""
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    nation = Nation(folder, nodes=nodes, port_base=first_port, say=_say)
    started = time.monotonic()
    waiting = asyncio.create_task(ending.wait())
    try:
        nation.claim()
        if fresh:
            nation.wipe()
        starting = asyncio.create_task(nation.start())
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            _describe(nation)
            _say(f"ready in {time.monotonic() - started:.0f} s: open {nation.settings('500000').base_url}/ — Ctrl-C ends all")
            await waiting
        else:
            starting.cancel()
            await asyncio.wait({starting})
        _say("stopping …")
    except (NationError, PostgresError) as error:
        _say(f"The demo could not start: {error}")
        raise SystemExit(1) from None
    except ExceptionGroup as several:
        _say("The demo could not start: " + "; ".join(str(one) for one in several.exceptions))
        raise SystemExit(1) from None
    finally:
        waiting.cancel()
        await nation.close()


def _describe(nation: Nation) -> None:
    _say("")
    for node, member in nation.members.items():
        _say(f"  {member.settings.base_url:<34} {node:<8} {member.settings.name}")
    _say("")
    people = yaml.safe_load(PEOPLE.read_text("utf-8"))
    _say("  Invented people (演示), sign in with name and number; the code is shown on the page:")
    for person in people["citizens"]:
        _say(f"    {person['name']}  {person['number']}  手机 {person['phone']}  {person.get('who', '')}")
    _say("  Invented staff, sign in at /staff/login of their node with a demo certificate (演示证书):")
    for node, members in people["staff"].items():
        for member in members:
            if member["staff_no"] in WALK:
                _say(f"    {node:<8} {member['staff_no']}  {member['name']}  {member['unit']}")
    _say("    and more in deploy/demo/people.yaml")
    _say("  Invented verifier units (演示查验方), register a browser at /verify/register with the code:")
    for unit in yaml.safe_load(VERIFIERS.read_text("utf-8")):
        _say(f"    {unit['node']:<8} {unit['name']}  {unit['enrolment_code']}")
    _say("")
