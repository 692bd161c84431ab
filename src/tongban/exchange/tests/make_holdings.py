"""Samples of the tables of exchange that keep something of people, sealed as the verbs seal them (R-409, R-804)."""

from __future__ import annotations

import msgspec

from tongban.exchange.queries.desk import CLAIMED, GROUNDS
from tongban.kernel.ids import uuid7
from tongban.kernel.tests.make_holdings import Sample


def _correction(node, who, mark):
    made = uuid7()
    key = f"{made}.asker"
    return {
        "subject": who, "id": made, "side": "asker", "state": "kept", "answer": f"{mark}答复",
        "claimed": node.cipher.seal("sensitive", CLAIMED, key, f"{mark}住址"), "grounds": node.cipher.seal("case", GROUNDS, key, f"{mark}房本"),
    }  # fmt: skip


def _record(node, who, mark):
    made = uuid7()
    body = msgspec.json.encode({"学校": f"{mark}学校"}).decode()
    return {"subject": who, "id": made, "body": node.cipher.seal("sensitive", "demo_record.body", made, body)}


def _complaint(node, who, mark):
    made = uuid7()
    sealed = {
        one: node.cipher.seal("case", f"use_complaint.{one}", f"{made}.person", f"{mark}{one}") for one in ("told", "words", "answer")
    }
    return {"subject": who, "id": made, "side": "person", "state": "answered", **sealed}


SAMPLES = {
    "use_complaint": Sample(row=_complaint, says=3, ends=lambda at: {"answered_at": at}),
    "data_correction": Sample(row=_correction, says=3, ends=lambda at: {"changed_at": at}),
    "demo_record": Sample(row=_record, says=1),
    "exchange_message": Sample(row=lambda *_: {"side": "owner"}, ends=lambda at: {"at": at}),
    "data_consent_ended": Sample(row=lambda *_: {}, ends=lambda at: {"at": at}),
}
