"""`tongban staff invite` and `tongban metrics-key` 第一位管理员和指标口令: what only the host of a node may do."""

from __future__ import annotations

import typer

from tongban import identity
from tongban.kernel.errors import Failure
from tongban.kernel.node import Node
from tongban.kernel.settings import Settings
from tongban.main.app import metrics_key


async def invite(settings: Settings, staff_no: str, name: str, unit: str, division: str, org: str) -> int:
    """Invite an administrator (邀请管理员). Prints the joining code; 1 when refused, with the reason."""
    who = identity.Newcomer(
        staff_no=staff_no, name=name, unit=unit, org=org or settings.organisation, division=division, department="运维"
    )
    try:
        async with Node.open(settings) as node, node.db.transaction() as tx:
            made = await identity.first_administrator(tx, node, who)
    except Failure as failure:
        typer.echo(f"Two administrators have the role already: they invite the next one at /staff/people. ({failure.failure_code})", err=True)
        return 1
    if isinstance(made, tuple):
        for one in made:
            typer.echo(one.sentence, err=True)
        return 1
    typer.echo(f"{settings.base_url}/staff/join")
    typer.echo(f"number {staff_no}, code {made[:4]} {made[4:8]} {made[8:]}: once, within three days")
    return 0


async def show_metrics_key(settings: Settings) -> int:
    """Print the bearer of /metrics (指标口令)."""
    async with Node.open(settings) as node:
        typer.echo(metrics_key(node))
    return 0
