"""The other nodes' door (办件信件): one handler per kind and version → one verb. cases.md 8.

`case.reviewed` belongs to `feedback`, which calls `cases.review`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from tongban import evidence, exchange, federation, transparency
from tongban.cases.actions import at_home, mirror, receive, reinstate, requests, speak, transfer
from tongban.cases.model import View
from tongban.cases.queries import records
from tongban.kernel.db import Tx
from tongban.kernel.node import Node


async def submitted(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`case.submitted` → T03."""
    await receive.receive(tx, node, letter)


async def state(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`case.state` → the mirror."""
    await mirror.hear(tx, node, letter.origin, msgspec.convert(letter.body, View))


async def corrected(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`case.corrected` → T05, or kept."""
    await requests.came(tx, node, letter, "correct")


async def withdraw_requested(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`case.withdraw_requested` → T20, or `case.withdraw_refused`."""
    await requests.came(tx, node, letter, "withdraw")


async def withdraw_refused(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`case.withdraw_refused` → the person is told."""
    await mirror.withdraw_refused(tx, node, letter.origin, letter.body)


async def opened(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`case.opened` → correction clock, T17."""
    await requests.opened(tx, node, letter)


async def offered(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`case.offered` → the intake list."""
    await transfer.offered(tx, node, letter)


async def taken(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`case.taken` → T22."""
    await transfer.answered(tx, node, letter, "taken")


async def declined(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`case.declined` → T23, T24."""
    await transfer.answered(tx, node, letter, "declined")


async def forwarded(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`case.forwarded` → as the original letter."""
    await requests.forwarded(tx, node, letter)


async def state_get(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`cases.state.get {case}` → the body of `case.state`, to the node that submitted it: a mirror is rebuilt."""
    async with node.db.transaction() as tx:
        case = await records.held(tx, node, str(body.get("case", "")))
        if case is None or caller not in {case.applicant_node, case.window_node}:
            raise federation.CallRefused(404, "not_found", ("cases.unknown",))
        view: dict[str, Any] = msgspec.to_builtins(await speak.view_of(tx, node, case, caller))
        return view


async def document(node: Node, caller: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    """`cases.document {case, document}`: ciphertext of a document as a stream, to the case's node. Fallback there: opened later."""

    async def find(about: Mapping[str, str]) -> exchange.File | None:
        address = await _document(node, caller, about)
        return await evidence.file_at(node, address) if address else None

    async with aclosing(exchange.give_file(node, caller, body, service="cases.document", find=find)) as frames:
        async for frame in frames:
            yield frame


async def document_get(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`cases.document.get {case, document, offset}` → `{content, total}`: the same piece by piece, for neighbours of before streams."""
    offset = body.get("offset", 0)
    address = await _document(node, caller, body)
    piece = await evidence.piece_of(node, address, offset) if address and isinstance(offset, int) and offset >= 0 else None
    if piece is None:
        raise federation.CallRefused(404, "not_found", ("cases.document_unknown",))
    return piece


async def _document(node: Node, caller: str, about: Mapping[str, Any]) -> str | None:
    """Where a document of a case lies, for the node of its applicant or window; None for everybody else."""
    async with node.db.reading() as tx:
        case = await records.held(tx, node, str(about.get("case", "")))
        if case is None or caller not in {case.applicant_node, case.window_node}:
            return None
        address: str | None = await tx.fetchval(
            "SELECT m.address FROM case_document d JOIN material m ON m.subject = d.subject AND m.id = d.material"
            " WHERE d.subject = $1 AND d.case_id = $2 AND d.id::text = $3",
            case.subject,
            case.id,
            str(about.get("document", "")),
        )
    return address


async def proof_get(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`cases.proof.get {case, leaf}` → the log receipt of one step of the case, to the case's node."""
    async with node.db.reading() as tx:
        case = await records.held(tx, node, str(body.get("case", "")))
        if case is None or caller not in {case.applicant_node, case.window_node}:
            raise federation.CallRefused(404, "not_found", ("cases.unknown",))
        leaf = str(body.get("leaf", ""))
        if leaf not in {line.leaf for line in await records.history(tx, node, case.subject, case.id) if line.leaf}:
            raise federation.CallRefused(404, "not_found", ("cases.leaf_unknown",))
        try:
            return (await transparency.receipt(tx, leaf)).to_json()
        except transparency.ReceiptNotReady as soon:
            raise federation.CallRefused(503, "overloaded", ("cases.proof_not_ready",)) from soon


async def mine(node: Node, caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """`cases.mine {v, subject}` → the list of a person who visits the caller now. Fallback there: the notice 暂时连不上."""
    return await at_home.tell(node, caller, body)


LETTERS: dict[tuple[str, int], Any] = {
    ("case.submitted", 1): submitted,
    ("case.state", 1): state,
    ("case.corrected", 1): corrected,
    ("case.withdraw_requested", 1): withdraw_requested,
    ("case.withdraw_refused", 1): withdraw_refused,
    ("case.opened", 1): opened,
    ("case.offered", 1): offered,
    ("case.taken", 1): taken,
    ("case.declined", 1): declined,
    ("case.forwarded", 1): forwarded,
}
REINSTATE: dict[tuple[str, int], Any] = {
    ("case.submitted", 1): reinstate.submitted,
    ("case.state", 1): reinstate.state,
    # sent again as they are: the owner knows them by their request, and answers with the state as it is now
    ("case.corrected", 1): None,
    ("case.withdraw_requested", 1): None,
    ("case.withdraw_refused", 1): None,
    ("case.opened", 1): None,
}
CALLS: dict[str, Any] = {
    "cases.mine": mine,
    "cases.state.get": state_get,
    "cases.document": document,
    "cases.document.get": document_get,
    "cases.proof.get": proof_get,
}
