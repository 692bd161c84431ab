"""Credentials between nodes 证照信件与应答: wallets filled, lists pulled, looks resolved, papers ordered and told of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tongban import federation, transparency
from tongban.credentials.actions import (
    at_home,
    checking,
    ended,
    file_check,
    gather,
    gathering,
    hall,
    lists,
    looks,
    papers,
    prints,
    reinstate,
    reports,
    share,
    status,
    verify,
    wallet,
)
from tongban.credentials.errors import TooManyTries
from tongban.credentials.queries.receipts import receipt_of
from tongban.kernel.db import Tx
from tongban.kernel.gm import BadEncoding, unb64
from tongban.kernel.node import Node


async def issued(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`credential.issued` 1: a credential for a wallet kept here."""
    await wallet.receive(tx, node, letter.origin, letter.body)


async def status_list(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`credential.status_list` 1, open, to all: the newest list of its issuer."""
    if letter.origin != node.id:
        await lists.receive(tx, letter.origin, letter.body)


async def changed(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`credential.changed` 1: an issuer did something to a card kept here."""
    await status.take_change(tx, node, letter.origin, letter.body)


async def requested(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`credential.requested` 1: a home asks for a credential that our register backs."""
    await gather.take_request(tx, node, letter.origin, letter.body)


async def print_requested(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`print.requested` 1: a holder wants the paper at a hall."""
    await prints.take_request(tx, node, letter.origin, letter.body)


async def print_ordered(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`print.ordered` 1: an order for a hall of ours."""
    await hall.receive_order(tx, node, letter.origin, letter.body)


async def print_cancel_asked(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`print.cancel_asked` 1: the issuer asks to stop; the hall answers what is so."""
    await hall.cancel_order(tx, node, letter.origin, letter.body)


async def print_state(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`print.state` 1: a hall says how far an order of ours is."""
    await prints.take_state(tx, node, letter.origin, letter.at, letter.body)


async def print_notice(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`print.notice` 1: an issuer tells the holder's home how far an order is."""
    await prints.take_notice(tx, node, letter.origin, letter.body)


async def ended_marks(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`credential.ended` 1, open, to all: the newest marks of ended credentials of its issuer."""
    if letter.origin != node.id:
        await ended.receive(tx, letter.origin, letter.body)


async def reported(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`credential.reported` 1: a holder elsewhere reports a look of a unit of ours."""
    await reports.take(tx, node, letter.origin, letter.body)


async def report_answered(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`credential.report_answered` 1: the answer for a holder whose home is here."""
    await reports.take_answer(tx, node, letter.origin, letter.body)


async def mine(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`credentials.mine` {v, subject}: the list of a person who visits the caller now; fallback there: 暂时连不上."""
    return await at_home.tell(node, caller, body)


async def presented(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`credentials.presented`: a verifier of `caller` looks at a code of ours; fallback there: last_known."""
    look = _look(caller, body)
    async with node.db.transaction() as tx:
        answer = {"v": 1, **_looked(await looks.looked(tx, node, look))}
        await federation.remember(tx, node, answer)
    return answer


async def presented_many(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`credentials.presented_many` {v, looks}: as `presented` for up to 64 codes, {v, answers} in their order; fallback there: one by one."""
    asked = body.get("looks")
    if not isinstance(asked, list) or not 1 <= len(asked) <= checking.MOST or not all(isinstance(one, dict) for one in asked):
        raise federation.CallRefused(400, "malformed")
    found = [_look(caller, one) for one in asked]
    async with node.db.transaction() as tx:
        answer = {"v": 1, "answers": [_looked(one) for one in await looks.looked_many(tx, node, found)]}
        await federation.remember(tx, node, answer)
    return answer


def _look(caller: str, body: dict[str, Any]) -> looks.Look:
    try:
        return looks.Look(
            opaque=unb64(str(body["opaque"]), length=16), unit=str(body["unit"])[:80], verifier_node=caller, registered=bool(body["registered"]),
            purpose=str(body["purpose"])[:80], fields=tuple(str(one)[:40] for one in body["fields"])[:20],
            jti=unb64(str(body["jti"]), length=8) if body.get("jti") else b"",
            at=datetime.fromtimestamp(int(body["at"]) / 1000, UTC) if body.get("at") else None,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, OverflowError, BadEncoding):
        raise federation.CallRefused(400, "malformed") from None


def _looked(found: looks.Looked) -> dict[str, object]:
    return {"status": found.status, "state": found.state, "state_at": found.state_at_ms, "valid_until": found.valid_until}


async def digits(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`credentials.digits`: the code behind eight spoken digits; five wrong ones a minute and verifier, sixty a node, then quota."""
    group, all_of_it = f"{caller}:{str(body.get('group', ''))[:40]}", f"node:{caller}"
    async with node.db.transaction() as tx:
        try:
            await verify.check_tries(tx, node, group)
            await verify.check_tries(tx, node, all_of_it, verify.NODE_TRIES)
        except TooManyTries:
            raise federation.CallRefused(429, "quota") from None
        token = await wallet.token_of_digits(tx, node, str(body.get("digits", ""))[:8])
        if token is None:
            await verify.wrong_try(tx, node, group)
            await verify.wrong_try(tx, node, all_of_it)
    if token is None:
        raise federation.CallRefused(404, "not_found")
    return {"v": 1, "token": token}


async def receipt(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`credentials.receipt`: the receipt of an issue, for the home of its holder only."""
    subject, credential_id = str(body.get("subject", "")), str(body.get("credential", ""))
    async with node.db.reading() as tx:
        home = await tx.fetchval(
            "SELECT home FROM credential WHERE subject = $1 AND id::text = $2", subject, credential_id
        )
        if home != caller:
            raise federation.CallRefused(404, "not_found")
        try:
            found = await receipt_of(tx, subject, credential_id)
        except transparency.ReceiptNotReady:
            raise federation.CallRefused(503, "overloaded") from None
    if found is None:
        raise federation.CallRefused(404, "not_found")
    return {"v": 1, "receipt": found}


async def data_by_holder(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`GetCertificateDataByHolder`; fallback there: a copy the holder's home keeps, or the field is typed."""
    return await share.data(node, caller, body, by_holder=True)


async def file_by_holder(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`GetCertificateFileByHolder`; fallback there: the holder hands the material in."""
    return await share.file(node, caller, body, by_holder=True)


LETTERS = {
    ("credential.issued", 1): issued,
    ("credential.changed", 1): changed,
    ("credential.status_list", 1): status_list,
    ("credential.requested", 1): requested,
    ("print.requested", 1): print_requested,
    ("print.ordered", 1): print_ordered,
    ("print.cancel_asked", 1): print_cancel_asked,
    ("print.state", 1): print_state,
    ("print.notice", 1): print_notice,
    ("credential.ended", 1): ended_marks,
    ("credential.reported", 1): reported,
    ("credential.report_answered", 1): report_answered,
}
CALLS = {
    "credentials.mine": mine,
    "credentials.presented": presented,
    "credentials.presented_many": presented_many,
    "credentials.digits": digits,
    "credentials.receipt": receipt,
    "credentials.gather": gathering.answer,
    "credentials.pdf": papers.tell_pdf,
    "credentials.status_list": lists.tell,
    share.QUERY: share.query,
    share.DATA_BY_ID: share.data,
    share.DATA_BY_HOLDER: data_by_holder,
    share.FILE_BY_ID: share.file,
    share.FILE_BY_HOLDER: file_by_holder,
    share.DOWNLOAD: share.download,
    share.VERIFY: share.verify,
    file_check.VERIFY_FILE: file_check.verify_file,
}
REINSTATE = {
    ("credential.status_list", 1): reinstate.list_came_home,
    # sent again as it is: the state it tells of is put back by the list
    ("credential.changed", 1): None,
    ("credential.ended", 1): None,
}
