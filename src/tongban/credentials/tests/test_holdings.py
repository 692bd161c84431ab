"""The wallet goes with the account, the issuer's register stays; a copy names nobody else (R-409, R-804, R-402)."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tongban.credentials.holdings import HOLDINGS
from tongban.kernel.ids import uuid7
from tongban.kernel.tests.make_holdings import MINE, OTHERS, Sample, judge, put

MARRIAGE = "结婚证"
NOBODY = f"'{MINE}'"
"""Rows that name nobody: the judge finds all of them."""
BY_TABLE = {one.table: one for one in HOLDINGS}


def _licence(table):
    def row(node, who, mark):
        made = uuid7()
        data = msgspec.json.encode({"name": f"{mark}名", "address": f"{mark}住址"})
        return {
            "subject": who, "id": made, "type_code": "t", "number": f"{mark}编号", "org_name": "演示局", "identifier": f"i{made}", "holder_kind": "natural",
            "holder_name": node.cipher.seal("identity", f"{table}.holder_name", made, f"{mark}名"),
            "data": node.cipher.seal_bytes("sensitive", f"{table}.data", made, data), **({"state": "valid"} if table == "credential" else {}),
        }  # fmt: skip

    return row


def _said(table, column, group="case", **more):
    """A row whose own id its one sealed text is bound to."""

    def row(node, who, mark):
        made = uuid7()
        return {"subject": who, "id": made, column: node.cipher.seal(group, f"{table}.{column}", made, f"{mark}话"), **more}

    return row


SAMPLES = {
    "credential": Sample(row=_licence("credential"), says=4),
    "credential_event": Sample(row=lambda _, who, mark: {"subject": who, "operation": "issue", "state": "valid", "reason": f"{mark}理由"}, says=1),
    "credential_register_entry": Sample(),
    "credential_card": Sample(row=_licence("credential_card"), says=4),
    "credential_card_event": Sample(row=_said("credential_card_event", "reason", operation="revoke", state="revoked"), says=1),
    "credential_presentation": Sample(ends=lambda at: {"expires_at": at}),
    "credential_offline": Sample(ends=lambda at: {"expires_at": at}),
    "credential_view": Sample(row=_said("credential_view", "report", fields=["name"], unit="演示旅馆"), says=1, ends=lambda at: {"at": at}),
    "credential_report": Sample(row=lambda *_: {}, person=NOBODY, ends=lambda at: {"answered_at": at}),
    "credential_print_order": Sample(
        row=lambda _, who, mark: {"subject": who, "state": "handed_over", "hall_name": f"{mark}大厅"}, says=1, ends=lambda at: {"changed_at": at}
    ),
    "credential_print_job": Sample(row=lambda *_: {"state": "expired"}, person=NOBODY, ends=lambda at: {"changed_at": at}),
    "credential_pickup": Sample(row=_said("credential_pickup", "code", state="expired"), says=1, ends=lambda at: {"changed_at": at}),
    "credential_request": Sample(row=lambda _, who, mark: {"subject": who, "type_code": f"{mark}证"}, says=1),
    "credential_gathering": Sample(row=lambda _, who, mark: {"subject": who, "issuer": f"{mark}节点"}, says=1),
    "credential_use": Sample(
        row=_said("credential_use", "reason", side="owner", result="0", fields=["name"], type_code="t"), says=1, ends=lambda at: {"at": at}
    ),
    "credential_file": Sample(ends=lambda at: {"expires_at": at}),
}


@pytest.mark.parametrize("holding", HOLDINGS, ids=lambda one: one.table)
async def test_what_is_kept_of_a_person(tx, node, holding):
    """R-409, R-804: a copy gives the person's values and never another's, erasing leaves what `stays` says, terms end at their moment."""
    await judge(tx, node, holding, SAMPLES)


async def test_a_spouse_on_a_licence_is_masked_and_the_paper_goes_along(tx, node):
    """R-409: names and numbers of others that stand on a licence are masked in the copy; the OFD opens for its person only."""
    from tongban.credentials.queries.types import type_named

    kind = type_named(node, MARRIAGE)
    assert kind is not None
    made = uuid7()
    data = {"name": "演示甲", "number": "500103199003074528", "spouse_name": "演示乙丙", "spouse_number": "500103198507012336"}
    await put(tx, "credential_card", {
        "subject": MINE, "id": made, "type_code": kind.code, "holder_kind": "natural", "identifier": "1.2",
        "holder_name": node.cipher.seal("identity", "credential_card.holder_name", made, "演示甲"),
        "data": node.cipher.seal_bytes("sensitive", "credential_card.data", made, msgspec.json.encode(data)),
        "ofd": node.cipher.seal_bytes("sensitive", "credential_card.ofd", made, b"paper"),
    })  # fmt: skip
    holding = BY_TABLE["credential_card"]
    [row] = await holding.copy(tx, node, MINE)
    content = row["证照内容"]
    assert content["持证人"] == "演示甲"
    assert content["身份证件号"] == "500103199003074528"
    assert "演示乙丙" not in str(row)
    assert "198507012336" not in str(row)
    [file] = await holding.files.listed(tx, node, MINE)
    assert file.name.startswith(MARRIAGE)
    assert await holding.files.opened(tx, node, MINE, file.id) == b"paper"
    assert await holding.files.opened(tx, node, OTHERS, file.id) is None


async def test_a_reported_look_stays_until_it_is_answered(tx, node):
    """R-404: the year of a record of showing does not end a report under way."""
    old = node.clock.now() - timedelta(days=800)
    await put(tx, "credential_view", {"subject": MINE, "at": old, "reported_at": old, "fields": []})
    past = f"SELECT count(*) FROM credential_view WHERE {BY_TABLE['credential_view'].term.past}"
    assert await tx.fetchval(past, node.clock.now() - BY_TABLE["credential_view"].term.kept) == 0
    await tx.execute("UPDATE credential_view SET answered_at = $1", old)
    assert await tx.fetchval(past, node.clock.now() - BY_TABLE["credential_view"].term.kept) == 1
