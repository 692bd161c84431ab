"""The watermarked copy between nodes (R-403): PDF or OFD as it is asked for, an older node's OFD taken, a changed one not."""

from __future__ import annotations

from tongban import credentials, federation
from tongban.credentials.model.sharing import LicenceRefused
from tongban.credentials.tests import make
from tongban.credentials.tests.test_share import HER, TASK, drive, found, nodes, of

__all__ = ["nodes"]


async def test_a_copy_is_a_pdf_for_who_asks_for_one_and_the_first_form_from_an_older_node(nodes, monkeypatch):
    home, owner, why = nodes["500000"], nodes["510000"], credentials.UsePurpose("核对住址（演示）", TASK, "d-2", "演示单位")
    one = await drive(nodes, name="机动车行驶证")
    licence = of(await found(nodes, "500000", "机动车行驶证"), one)

    async def taken(pdf):
        given = await credentials.copy_id(home, make.staff(), licence, subject=HER, purpose=why)
        return await credentials.take_copy(home, "510000", given.file, pdf=pdf)

    for pdf, form, begins in ((True, "pdf", b"%PDF"), (False, "ofd", b"PK")):
        got = await taken(pdf)
        assert (got.form, got.content[: len(begins)]) == (form, begins)
        assert got.watermark.startswith("仅供演示单位“核对住址（演示）”使用，")
    call = federation.call

    async def older(node, to, service, body, **more):
        return await call(node, to, service, {key: value for key, value in body.items() if key != "form"}, **more)

    monkeypatch.setattr(federation, "call", older)
    assert (await taken(True)).form == "ofd"

    async def changed_on_its_way(node, to, service, body, **more):
        answer = await call(node, to, service, body, **more)
        return answer | {"pdf": answer["pdf"][:-8] + "AAAAAAAA"} if "pdf" in answer else answer

    monkeypatch.setattr(federation, "call", changed_on_its_way)
    assert await taken(True) == LicenceRefused("99"), "a copy whose seal does not hold"
    async with owner.db.reading() as tx:
        leaves = await tx.fetchval("SELECT count(*) FROM credential_file WHERE credential = $1 AND taken_at IS NOT NULL", one.id)
    assert leaves == 4
