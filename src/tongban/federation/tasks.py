"""Time's door of the post 互联的定时: stamper, head statements, fetchers, directory, replay, tidying."""

from __future__ import annotations

import time

from tongban.federation.actions import (
    answer,
    compact,
    directory,
    enrol,
    figures,
    join,
    park,
    passing,
    pull,
    recover,
    report,
    send_back,
    snapshot,
    stamp,
)
from tongban.federation.actions.office import BEHIND_BELL, ENROLMENT_BELL, RECOVERY_BELL, STAMPER_BELL, office
from tongban.kernel.jobs import Clockwork
from tongban.kernel.node import Node


async def stamper(node: Node) -> None:
    """Number what was written (盖号)."""
    await stamp.stamp(node)


async def head_statement(node: Node) -> None:
    """Say how far this node has written (末尾声明); when letters wait, they are stamped first."""
    memory, now = office(node), time.monotonic()
    if now < memory.next_statement:
        return
    if await stamp.state_head(node) or (await stamp.stamp(node) and await stamp.state_head(node)):
        memory.next_statement = now + node.settings.head_statement_seconds


async def keep_up(node: Node) -> None:
    """Follow the directory, and see that it names every key that has revoked itself (跟上目录)."""
    await passing.have_listed(node)
    await directory.catch_up(node)


async def replay(node: Node) -> None:
    """Try parked letters whose time has come (重试暂存信件)."""
    await park.replay(node)


async def mend(node: Node) -> None:
    """Tell origins whose history does not fit, and give back what theirs lost (断点与退信)."""
    await report.report_again(node)
    await send_back.send_back(node)


async def watch_certificates(node: Node) -> None:
    """Renew own keys before their certificates end (到期前续期); an operator hears when that does not work."""
    await join.renew_in_time(node)


async def keep_house(node: Node) -> None:
    """Compaction, retention with counts, the day's snapshot (压缩、清理、快照)."""
    await compact.keep_house(node)
    await snapshot.keep_snapshot_fresh(node)


CLOCKS = [
    Clockwork("federation.stamper", 5, stamper, STAMPER_BELL),
    Clockwork("federation.head_statement", 1, head_statement),
    Clockwork("federation.pull", 1, pull.pull_all),
    Clockwork("federation.directory", 60, keep_up, BEHIND_BELL),
    Clockwork("federation.joining", 5, enrol.activate_joining, ENROLMENT_BELL),
    Clockwork("federation.replay", 5, replay),
    Clockwork("federation.recovery", 2, recover.recover, RECOVERY_BELL),
    Clockwork("federation.mend", 5, mend),
    Clockwork("federation.house", 3600, keep_house),
    Clockwork("federation.certificates", 3600, watch_certificates),
    Clockwork("federation.figures", 15, figures.update),
    Clockwork("federation.tidy", 60, answer.forget_old),
]

JOBS = {passing.JOB: passing.pass_on_job}
