"""A company's licence between nodes (R-405): found and read by the credit code where it was issued, whoever founded the company."""

from __future__ import annotations

from tongban import credentials
from tongban.credentials.actions import share
from tongban.credentials.model import Holder
from tongban.credentials.model.sharing import LicenceData, LicenceRefused, Need
from tongban.credentials.tests import make
from tongban.credentials.tests.test_share import HER, TASK, WHY, lines, nodes
from tongban.federation.tests.make import deliver
from tongban.kernel.gm import Personal
from tongban.kernel.ids import CreditCode

__all__ = ["nodes"]
CODE, OTHER = (CreditCode.make("91", "510107", body).value for body in ("MADEM00C1", "MADEM00C2"))
NAME = "成都锦云演示科技有限公司"


async def test_a_company_is_known_by_its_code_where_its_licence_was_issued(nodes, monkeypatch):
    asker, owner, who = nodes["500000"], nodes["510000"], make.citizen("n1agent0000000000000000000000001")
    company, stranger = f"o1{CODE.lower()}", f"o1{OTHER.lower()}"

    async def need(_tx, task_code):
        return Need("企业变更登记（演示）", "500000", {"营业执照": frozenset({"名称"})}) if task_code == TASK else None

    monkeypatch.setattr(share, "_finder", [need])
    for caller in nodes:
        await make.granted(owner, caller, "营业执照")
    data = {
        "company_name": NAME, "credit_code": CODE, "company_type": "有限责任公司(自然人独资)", "legal_representative": "演示陈晓雨",
        "business_scope": "软件开发", "capital": "壹佰万元整", "founded_on": "2026-11-01", "address": "天府大道演示路 88 号",
    }  # fmt: skip
    async with owner.db.transaction() as tx:
        one = await credentials.issue(
            tx, owner, make.staff(), type_code=credentials.type_named(owner, "营业执照").code, issuer=make.OFFICE_VALID, data=data,
            holder=Holder(HER, "510000", Personal(NAME), Personal(CODE), kind="legal"),
        )  # fmt: skip
    await deliver(nodes)

    async def found(subject):
        return (await credentials.find_licences(asker, who, subject=subject, home="510000", types=("营业执照",), purpose=WHY)).found

    assert await found(stranger) == ()
    (licence,) = await found(company)
    assert (licence.id, licence.issuer, licence.state) == (one.id, "510000", "valid")
    got = await credentials.licence_data(asker, who, licence, subject=company, purpose=WHY)
    assert isinstance(got, LicenceData)
    assert {name: value.reveal() for name, value in got.values.items()} == {"名称": NAME}
    assert await credentials.licence_data(asker, who, licence, subject=stranger, purpose=WHY) == LicenceRefused("11")
    assert await lines(asker, got.line_id) == [], "the founder's ledger, whom nobody asked about"
    async with asker.db.reading() as mine, owner.db.reading() as theirs:
        ends = [await tx.fetchval("SELECT digest FROM access_record WHERE id = $1 AND subject = $2", got.line_id, company) for tx in (mine, theirs)]
    assert ends[0] == ends[1] is not None, "both ends write the same, under the company"
