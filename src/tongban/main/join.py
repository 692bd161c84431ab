"""`tongban hub` and `tongban join` 建枢纽、入网: what two operators type; the protocol is federation's (federation.md 2)."""

from __future__ import annotations

import asyncio
import contextlib

import typer

from tongban import federation
from tongban.kernel import log as logging
from tongban.kernel.node import Node
from tongban.kernel.settings import Settings


async def make_hub(settings: Settings) -> int:
    """Make this node the hub of a nation, once (建枢纽). Prints the root's fingerprint, the same each time."""
    if settings.node != settings.hub:
        typer.echo(f"{settings.node} names {settings.hub} as its hub; only a node whose `hub` is itself can be one.", err=True)
        return 2
    logging.set_up(json=settings.log_json)
    async with Node.open(settings) as node:
        typer.echo(f"root fingerprint: {await federation.make_hub(node)}")
    return 0


async def join(settings: Settings, hub_url: str, connect: str, code: str, root_fingerprint: str, seconds: float) -> int:
    """Ask the hub for admission and wait until it is decided (申请入网); 0 when the node is a member.

    The node must be running. Prints the eight groups of digits that the hub's officer compares. Can be repeated: it goes on.
    """
    logging.set_up(json=settings.log_json)
    async with Node.open(settings) as node:
        stop = asyncio.Event()
        listening = asyncio.create_task(node.db.listen("tongban_bell", node.bell.ring, stop))
        showing = asyncio.create_task(_show_digits(node))
        try:
            found = await federation.join(node, hub_url, connect or None, code, root_fingerprint, seconds=seconds)
        except ValueError as error:
            typer.echo(f"Not asked: {error}.", err=True)
            return 2
        except federation.EnrolmentRefused as error:
            typer.echo(f"Not admitted: {error}", err=True)
            return 1
        except federation.CallFailed as error:
            typer.echo(f"Not admitted yet ({error.problem}). Is the node running and does {hub_url} answer? Run this again to go on.", err=True)
            return 1
        finally:
            stop.set()
            showing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await showing
            await asyncio.gather(listening, return_exceptions=True)
    typer.echo(f"{settings.node} is a member of {found.hub}; directory version {found.version}, {len(found.nodes)} nodes.")
    return 0


async def _show_digits(node: Node) -> None:
    """Say the digits as soon as the application is written."""
    while True:
        since = node.bell.generation("federation.directory")
        async with node.db.reading() as tx:
            digits, status = await federation.own_digits(tx), await federation.own_status(tx, node.id)
        if digits is not None and status == "asked":
            typer.echo("Asked. Read these digits to the hub's officer by telephone: " + " ".join(digits))
            typer.echo("Waiting for the hub's second officer …")
            return
        await node.bell.wait("federation.directory", seconds=0.5, since=since)
