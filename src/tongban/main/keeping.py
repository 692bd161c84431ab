"""`tongban node restored|trust|renew|revoke-own-key` and `tongban keys data` 守护: what an operator types about one node's life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import typer

from tongban import federation
from tongban.kernel import log as logging
from tongban.kernel.actor import Actor
from tongban.kernel.gm import FileKeyStore
from tongban.kernel.node import Node, device_of
from tongban.kernel.settings import Settings

OPERATOR = Actor(kind="system", subject="cli")


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Node]:
    logging.set_up(json=settings.log_json)
    async with Node.open(settings) as node:
        stop = asyncio.Event()
        listening = asyncio.create_task(node.db.listen("tongban_bell", node.bell.ring, stop))
        try:
            yield node
        finally:
            stop.set()
            await asyncio.gather(listening, return_exceptions=True)


async def restored(settings: Settings) -> int:
    """Note that the database was put back (报告恢复). Prints what happens next; 0 also when there is nothing to bring home."""
    async with _opened(settings) as node:
        begun = await federation.restored(node)
    if not begun:
        typer.echo(f"{settings.node}: it has written no letter yet; there is nothing to bring home.")
        return 0
    typer.echo(f"{settings.node}: noted. Start the node now: it brings its letters home and opens a new epoch.")
    typer.echo("Until that is done it shows what it has and does nothing of legal effect. See /staff/nodes, 恢复.")
    return 0


async def trust(settings: Settings, node_id: str, fingerprint: str) -> int:
    """Believe another node's new key after a telephone call (确认密钥)."""
    if not fingerprint.startswith("sm3:") or len(fingerprint) != 47:
        typer.echo("A fingerprint begins with sm3: and has 47 characters.", err=True)
        return 2
    async with _opened(settings) as node, node.db.transaction() as tx:
        await federation.trust(tx, node, OPERATOR, node_id, fingerprint)
        again = await federation.look_again(tx, node)
    typer.echo(f"{settings.node}: the key of {node_id} is believed" + ("." if again else " from the next directory on."))
    return 0


async def renew(settings: Settings) -> int:
    """New keys and certificates for this node (更换密钥). The hub must answer."""
    async with _opened(settings) as node:
        try:
            found = await federation.renew_keys(node)
        except federation.EnrolmentRefused as error:
            typer.echo(f"Not renewed: {error}", err=True)
            return 1
        except federation.CallFailed as error:
            typer.echo(f"Not renewed ({error.problem}): the hub must answer.", err=True)
            return 1
    me = found.node(settings.node)
    kids = ", ".join(key.kid for key in (me.keys if me else ()) if key.status == "current")
    typer.echo(f"{settings.node}: {kids}, directory version {found.version}. Back up the key folder now.")
    return 0


async def revoke_own_key(settings: Settings, name: str, reason: str) -> int:
    """Revoke a signing key of this node with itself (自行撤销)."""
    async with _opened(settings) as node:
        if not node.keys.has(name):
            typer.echo(f"{settings.node} holds no key {name}.", err=True)
            return 2
        told = await federation.revoke_own_key(node, name, reason)
    typer.echo(f"{settings.node}/{name} signs nothing any more; told to {told} nodes, which tell the others.")
    return 0


async def rotate_data_keys(settings: Settings, group: str) -> int:
    """New data keys, every row sealed anew (数据密钥轮换). Prints a line a group; 1 when a row did not open."""
    from tongban.main import resealing

    async with _opened(settings) as node:
        failed = 0
        for one in (group,) if group else resealing.GROUPS:
            done = await resealing.rotate(node, one)
            failed += done.failed
            typer.echo(f"{settings.node}: {one} version {done.version}, {done.rows} rows sealed anew, {done.failed} could not be opened.")
    return 1 if failed else 0


async def rotate_index_key(settings: Settings, *, only_status: bool) -> int:
    """A new index key, every row found all the while (索引密钥轮换). Prints where it stands; 1 when a row did not open."""
    from tongban.main import reindexing

    async with _opened(settings) as node:
        if only_status:
            found = await reindexing.standing(node)
        else:
            typer.echo(f"{settings.node}: index key version {await reindexing.begin(node)}.")
            found = await reindexing.go_on(node)
            while found.settles is not None:  # each step stands for half a minute before the next builds on it
                await asyncio.sleep(max(0.1, (found.settles - node.clock.now()).total_seconds()))
                found = await reindexing.go_on(node)
    say = {"announced": "searched beside the old one", "written": "written; the old one is still searched", "done": "alone in use"}[found.step]
    typer.echo(f"{settings.node}: index key version {found.version} is {say}; {found.done_rows} rows went over, {found.failed} could not be opened.")
    for one in found.left:
        typer.echo(f"  {one.name}: {one.rows} rows under the old key" + (", which pass by themselves" if one.passes else ""))
    return 1 if found.failed else 0


def seal_keys(settings: Settings) -> int:
    """Seal every key file by the device (封存密钥)."""
    if not settings.pkcs11_module:
        typer.echo("The settings name no device: pkcs11_module is empty.", err=True)
        return 2
    store = FileKeyStore(settings.data_dir / "keys", settings.node, device=device_of(settings))
    typer.echo(f"{settings.node}: {store.seal_files()} files sealed. Destroy every copy of them in the clear, also in backups.")
    return 0
