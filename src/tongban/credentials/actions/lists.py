"""Status lists (状态清单): one for each issuer and quarter, signed, told to every node, pulled when one did not come.

A list holds exceptions only, so issuing changes nothing in it. Lists are signed again by the clock, so that their age says
how fresh our knowledge is (decisions D-14); a list in which nothing can be shown any more is not. Versions that said
something else are kept, so that it can be proven later what was known at a moment.
"""

from __future__ import annotations

import secrets
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tongban import federation
from tongban.credentials.model import State
from tongban.credentials.queries.keys import signer_of
from tongban.credentials.queries.lists import held_signed, stale
from tongban.credentials.rules import record
from tongban.kernel.db import Tx
from tongban.kernel.errors import Failure
from tongban.kernel.gm import b64, jcs, unb64
from tongban.kernel.log import log
from tongban.kernel.node import Node

SERVICE: Final = "credentials.status_list"
KEEP_PAST: Final = timedelta(days=3 * 365)
"""How long versions that said something else are kept: our choice, no source; longer than any complaint we know of."""
PULL_AFTER: Final = timedelta(hours=1)
"""A list older than this did not come by itself: it is asked for."""
_TRIES: Final = 12


async def place(tx: Tx, node: Node) -> tuple[int, int]:
    """A free random place in this quarter's list (取状态位): neighbours in a list say nothing about each other."""
    period = record.period(node.clock.today())
    list_no: int | None = await tx.fetchval("SELECT max(list_no) FROM credential_period WHERE period = $1", period)
    for _ in range(2):
        if list_no is not None:
            for _ in range(_TRIES):
                index = secrets.randbelow(record.PLACES)
                done = await tx.execute(
                    "INSERT INTO credential_place (list_no, list_index) VALUES ($1,$2) ON CONFLICT DO NOTHING", list_no, index
                )
                if done == "INSERT 0 1":
                    return list_no, index
        list_no = await _open(tx, node, period, list_no)
    raise Failure("credentials.list_full", status=503, retry_after=5)


async def _open(tx: Tx, node: Node, period: str, full: int | None) -> int:
    """The next list of a quarter, made once also when two ask (新开清单); `full` is the one that has no place left."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('credential-period'))")
    newest: int | None = await tx.fetchval("SELECT max(list_no) FROM credential_period WHERE period = $1", period)
    if newest is not None and newest != full:
        return newest
    list_no: int = await tx.fetchval(
        "SELECT 1 + greatest((SELECT coalesce(max(list_no), 0) FROM credential_period), (SELECT coalesce(max(list_no), 0) "
        "FROM credential_place), (SELECT coalesce(max(list_no), 0) FROM credential_list WHERE issuer = $1))",
        node.id,
    )
    await tx.execute(
        "INSERT INTO credential_period (period, part, list_no, opened_at) VALUES "
        "($1, (SELECT 1 + coalesce(max(part), 0) FROM credential_period WHERE period = $1), $2, $3)",
        period, list_no, node.clock.now(),
    )  # fmt: skip
    await publish(tx, node, list_no, {})
    return list_no


async def open_current(tx: Tx, node: Node) -> int:
    """The list that new credentials go into, known to all before the first of them is (当期清单)."""
    period = record.period(node.clock.today())
    found: int | None = await tx.fetchval("SELECT max(list_no) FROM credential_period WHERE period = $1", period)
    return found if found is not None else await _open(tx, node, period, None)


async def refresh(tx: Tx, node: Node, older_than: timedelta) -> int:
    """Sign again each of this node's lists that is older and still needed (刷新清单); gives how many.

    Needed: the current quarter's, and any with a credential that has not run out for good.
    """
    await open_current(tx, node)
    rows = await tx.fetch(
        "SELECT l.list_no FROM credential_list l WHERE l.issuer = $1 AND l.at < $2 AND (EXISTS (SELECT 1 FROM credential_period p"
        " WHERE p.list_no = l.list_no AND p.period = $3) OR EXISTS (SELECT 1 FROM credential c WHERE c.list_no = l.list_no"
        " AND (c.valid_until IS NULL OR c.valid_until >= $4) AND c.state IN ('valid', 'suspended', 'other'))) ORDER BY l.list_no",
        node.id, node.clock.now() - older_than, record.period(node.clock.today()), node.clock.today(),
    )  # fmt: skip
    for row in rows:
        await publish(tx, node, row["list_no"], {})
    return len(rows)


async def publish(tx: Tx, node: Node, list_no: int, changes: dict[int, State]) -> None:
    """Sign a list with some places changed and tell every node (公布清单), in the transaction of the change."""
    # one writer a list: the next `at` is always later than the one before
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('credential-list'), $1)", list_no)
    old = await tx.fetchrow("SELECT at, bits FROM credential_list WHERE issuer = $1 AND list_no = $2", node.id, list_no)
    packed = old["bits"] if old else zlib.compress(b"", 9)
    for index, state in changes.items():
        packed = record.with_state(packed, index, state)
    at = _millis(node.clock.now())
    if old is not None and at <= old["at"]:
        at = old["at"] + timedelta(milliseconds=1)
    signer = await signer_of(node)
    body = record.list_record(node.id, list_no, at, packed)
    signature = signer.sign(jcs(body))
    await _keep(tx, node.id, list_no, at, packed, signer.kid, signature)
    await federation.send(
        tx, node, to="*", kind="credential.status_list", about=f"status-list:{node.id}:{list_no}", open=True,
        body={"list": body, "sig": {"kid": signer.kid, "value": b64(signature)}},
    )  # fmt: skip


async def receive(tx: Tx, origin: str, body: dict[str, Any]) -> bool:
    """Keep an issuer's list if it is newer than the one held (收状态清单). Raises ValueError for one not signed by it.

    Whoever brings it: the signature says whose it is, so any node may hand it on.
    """
    signed, sig = body["list"], body["sig"]
    if signed["issuer"] != origin or not str(sig["kid"]).startswith(origin + "/"):
        raise ValueError("a status list of another node")
    key = await federation.signing_key(tx, sig["kid"])
    signature = unb64(sig["value"], length=64)
    if key is None or not key.verify(jcs(signed), signature):
        raise ValueError("a status list without its issuer's signature")
    packed = unb64(signed["bits"])
    record.unpack(packed)
    at = datetime.fromtimestamp(int(signed["at"]) / 1000, UTC)
    return await _keep(tx, origin, int(signed["list"]), at, packed, sig["kid"], signature)


async def _keep(tx: Tx, issuer: str, list_no: int, at: datetime, packed: bytes, kid: str, signature: bytes) -> bool:
    """Write the newest list; the one before goes among the past ones when it said something else."""
    await tx.execute(
        "INSERT INTO credential_list_past (issuer, list_no, at, until, bits, kid, signature) SELECT issuer, list_no, at, $3, bits, kid, "
        "signature FROM credential_list WHERE issuer = $1 AND list_no = $2 AND at < $3 AND bits <> $4 ON CONFLICT DO NOTHING",
        issuer, list_no, at, packed,
    )  # fmt: skip
    done: str = await tx.execute(
        "INSERT INTO credential_list (issuer, list_no, at, bits, kid, signature) VALUES ($1,$2,$3,$4,$5,$6) "
        "ON CONFLICT (issuer, list_no) DO UPDATE SET at = $3, bits = $4, kid = $5, signature = $6 WHERE credential_list.at < $3",
        issuer, list_no, at, packed, kid, signature,
    )  # fmt: skip
    return done.endswith("1")


async def tell(node: Node, _caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`credentials.status_list` {v, issuer, list}: the newest we hold of anybody's list. Raises CallRefused (应答状态清单)."""
    try:
        issuer, list_no = str(body["issuer"])[:20], int(body["list"])
    except (KeyError, TypeError, ValueError):
        raise federation.CallRefused(400, "malformed") from None
    async with node.db.reading() as tx:
        found = await held_signed(tx, issuer, list_no)
    if found is None:
        raise federation.CallRefused(404, "not_found")
    return {"v": 1, **found}


async def pull(node: Node) -> int:
    """Ask for the lists that cards here need and that did not come for an hour (拉取清单); gives how many came.

    The issuer is asked, then the hub: with the issuer away somebody else may hold a newer one.
    """
    if await federation.present(node) is None:
        return 0
    async with node.db.reading() as tx:
        wanted = await stale(tx, node.id, node.clock.now() - PULL_AFTER)
    came = 0
    for issuer, list_no in wanted:
        for whom in dict.fromkeys((issuer, node.settings.hub)):
            if whom == node.id:
                continue
            try:
                answer = await federation.call(node, whom, SERVICE, {"v": 1, "issuer": issuer, "list": list_no})
                async with node.db.transaction() as tx:
                    newer = await receive(tx, issuer, answer)
            except (federation.CallFailed, federation.CallRefused, federation.NotMember, federation.UnknownNode) as error:
                log("credentials.list_not_had", peer=whom, code=type(error).__name__)
                continue
            except (KeyError, TypeError, ValueError) as error:
                log("credentials.list_not_sound", peer=whom, code=type(error).__name__)
                continue
            if newer:
                came += 1
                break
    return came


async def forget(tx: Tx, node: Node) -> None:
    """Drop past versions that are too old to be asked about (清理旧清单)."""
    await tx.execute("DELETE FROM credential_list_past WHERE until < $1", node.clock.now() - KEEP_PAST)


def _millis(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
