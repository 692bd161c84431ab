"""`tongban check` and `tongban log verify` 自查: does what is here work, and is the log what it was."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import typer

from tongban import catalogue, credentials, identity, transparency
from tongban.kernel.gm import Sm2PrivateKey
from tongban.kernel.node import Node
from tongban.kernel.settings import CODE_ROOT, Settings


def demo_settings(folder: Path, node: str) -> Settings:
    """The settings a node of the running demo was started with. Exits with a sentence when there are none."""
    path = folder / node / "node.json"
    if not path.exists():
        typer.echo(f"There is no demo node {node} under {folder}. Start the demo with `make demo`.", err=True)
        raise typer.Exit(2)
    return msgspec.json.decode(path.read_bytes(), type=Settings, dec_hook=lambda _kind, value: Path(value))


async def verify_log(settings: Settings) -> int:
    """Recompute the node's log, and compare the rows that have a leaf with it (核对存证). 0 when all is whole, 1 with each place where it is not."""
    async with Node.open(settings) as node, node.db.reading() as tx:
        report = await transparency.verify_log(tx, node)
        typer.echo(f"{settings.node}: {report.sentence}")
        count, wrong = await transparency.verify_records(tx, node.clock.now())
    lines = "".join(f"\n  {one.kind}: {one.place}: {one.text}" for one in wrong)
    typer.echo(f"{settings.node}: the ledger, the register of readings and the uses of seals " + (
        f"are NOT what was logged, {len(wrong)} findings:{lines}" if wrong else f"are what was logged: {count} rows"
    ))
    return 0 if report.whole and not wrong else 1


async def rotate_keys(settings: Settings, *, compromised: bool) -> int:
    """New token keys at once (令牌密钥轮换). Prints one line; 1 when the node has no key yet, which its first start makes."""
    async with Node.open(settings) as node, node.db.transaction() as tx:
        made = await identity.rotate_keys(tx, node, at_once=True, compromised=compromised)
    if not made:
        typer.echo(f"{settings.node}: no token keys yet; start the node once.", err=True)
        return 1
    when = "now; the old ones are gone" if compromised else "in half a minute; the old ones are believed for 48 hours"
    typer.echo(f"{settings.node}: {made} new token keys, signing {when}.")
    return 0


async def run(settings: Settings | None, items: Path | None) -> int:
    """All checks, a line each with `ok` or what to do (自查). 0 when all are ok."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("SM3", _sm3), ("SM2", _sm2), ("items", lambda: _items(items or CODE_ROOT / "items")),
        ("licences", lambda: _licences(items or CODE_ROOT / "items")),
    ]  # fmt: skip
    bad = 0
    for name, one in checks:
        try:
            typer.echo(f"ok    {name:<10} {await asyncio.to_thread(one)}")
        except Exception as error:  # noqa: BLE001  every kind of trouble is shown to the operator in one line
            bad += 1
            typer.echo(f"wrong {name:<10} {type(error).__name__}: {error}")
    if settings is not None:
        bad += await _node(settings)
    return 1 if bad else 0


def _sm3() -> str:
    if hashlib.new("sm3", b"abc").hexdigest()[:8] != "66c7f0f4":
        raise ValueError("SM3 gives a wrong digest for `abc`: this OpenSSL cannot be used")
    return "system OpenSSL"


def _sm2() -> str:
    key = Sm2PrivateKey.generate()
    if not key.public.verify(b"check", key.sign(b"check")):
        raise ValueError("SM2 does not verify its own signature: install libssl3")
    return "signs and verifies"


def _licences(folder: Path) -> str:
    own, every = credentials.check_library(folder)
    return f"{every} types, {own} with a template of their own"


def _items(folder: Path) -> str:
    definitions = catalogue.load_folder(folder)
    errors = [one for item in definitions for one in catalogue.findings(item) if one.severity == "error"]
    if errors:
        first = errors[0]
        raise ValueError(f"{len(errors)} errors in {folder}; first: {first.rule} at {first.where}: {first.what} {first.fix}")
    return f"{len(definitions)} definitions, no errors"


async def _node(settings: Settings) -> int:
    try:
        async with Node.open(settings) as node, node.db.reading() as tx:
            revision = await tx.fetchval("SELECT version_num FROM alembic_version")
            version: int = await tx.fetchval("SELECT coalesce(max(version), 1) FROM index_key") if revision >= "0035" else 1
            held = node.keys.indexes.held(version)
        typer.echo(f"ok    {'database':<10} at revision {revision}")
        if not held:
            typer.echo(f"wrong {'index key':<10} the database stands under version {version}, which is not in the key folder: put the newer folder back")
            return 1
    except Exception as error:  # noqa: BLE001  shown to the operator in one line
        typer.echo(f"wrong {'database':<10} {type(error).__name__}: {error}")
        return 1
    return 0
