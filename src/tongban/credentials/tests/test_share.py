"""Licences used between real nodes: by holder, data, one-off watermarked file, verify; gathered; lists pulled (R-403, R-405, T-29, T-32)."""

from __future__ import annotations

import asyncio
import io
import zipfile
from datetime import timedelta
from types import SimpleNamespace

import msgspec
import pytest

from tongban import consent, credentials, federation, seals
from tongban.credentials import letters, providers
from tongban.credentials.actions import gathering, lists, many, papers, share, status, use, verify
from tongban.credentials.model import Holder
from tongban.credentials.model.acts import Ground
from tongban.credentials.model.sharing import LicenceData, LicenceFile, LicenceRefused, Need
from tongban.credentials.queries import credentials as queries
from tongban.credentials.queries import issued
from tongban.credentials.queries.lists import held_signed
from tongban.credentials.tests import make
from tongban.exchange import letters as exchange_letters
from tongban.federation.tests.make import deliver, nation
from tongban.kernel.gm import Personal
from tongban.kernel.ids import uuid7
from tongban.seals import letters as seal_letters

HER = "n1holder0000000000000000000000001"
NUMBER = "50019919911111002X"
TASK = "11500103DEM000022Q4000799902000"
REASON = "办理居住证签注（演示）"
WHY = credentials.UsePurpose(REASON, TASK, "d-1", "重庆市渝中区公安分局（演示）")


@pytest.fixture(scope="module")
async def nodes(make_node):
    async def need(tx, task_code):
        fields = {"机动车驾驶证": frozenset({"姓名", "准驾车型"}), "机动车行驶证": frozenset()}
        return Need("居住证签注", "510000", fields) if task_code == TASK else None

    before = list(share._finder)
    share.on_need(need)
    async with nation(
        make_node, "500000", "510000", letters_too={**letters.LETTERS, **seal_letters.LETTERS, **exchange_letters.LETTERS}, calls=letters.CALLS
    ) as made:
        for one in made.values():
            await seals.set_up(one)
            await credentials.set_up(one)
        for owner in ("500000", "510000"):
            for name in ("机动车驾驶证", "机动车行驶证", "社会保障卡"):
                for caller in made:
                    await make.granted(made[owner], caller, name)
        await deliver(made)
        yield made
    share._finder[:] = before


async def drive(nodes, owner="510000", home="500000", name="机动车驾驶证", **more):
    """A licence of `owner` in a wallet at `home`."""
    node = nodes[owner]
    kind = credentials.type_named(node, name)
    data = {
        "name": "陈演示", "number": NUMBER, "vehicle_class": "C1", "address": "秘密路 7 号", "plate": "渝A·D0099", "vehicle_kind": "小型轿车", "owner": "陈演示",
    }  # fmt: skip
    async with node.db.transaction() as tx:
        one = await credentials.issue(
            tx, node, make.staff(), type_code=kind.code, holder=Holder(HER, home, Personal("陈演示"), Personal(NUMBER)),
            issuer=make.OFFICE_VALID, data=data | more,
        )  # fmt: skip
    await deliver(nodes)
    return one


async def found(nodes, asker, name="机动车驾驶证", why=WHY):
    return await credentials.find_licences(nodes[asker], make.citizen(HER), subject=HER, home="500000", types=(name,), purpose=why)


def of(got, one):
    return next(each for each in got.found if each.id == one.id)


async def lines(node, use_id):
    async with node.db.reading() as tx:
        return [line for line in await consent.lines(tx, node.id, HER) if line.id == use_id]


async def test_the_form_gets_what_the_item_needs_and_nothing_more(nodes):
    """R-405: found by holder, fetched at its issuer; only needed fields travel; both ends write the same."""
    home, owner = nodes["500000"], nodes["510000"]
    one = await drive(nodes)
    licence = of(await found(nodes, "500000"), one)
    assert (licence.issuer, licence.type_name, licence.state) == ("510000", "机动车驾驶证", "valid")
    got = await credentials.licence_data(home, make.citizen(HER), licence, subject=HER, purpose=WHY)
    assert isinstance(got, LicenceData)
    assert {name: value.reveal() for name, value in got.values.items()} == {"姓名": "陈演示", "准驾车型": "C1"}
    assert not got.kept
    async with home.db.reading() as tx:
        mine = await tx.fetchrow("SELECT digest, fields FROM credential_use WHERE id = $1 AND side = 'caller'", got.line_id)
        blob = await tx.fetchval("SELECT reason FROM credential_use WHERE id = $1", got.line_id)
    async with owner.db.reading() as tx:
        theirs = await tx.fetchrow("SELECT digest, fields FROM credential_use WHERE id = $1 AND side = 'owner'", got.line_id)
    assert mine["digest"] == theirs["digest"]
    assert REASON.encode() not in bytes(blob)
    here, there = await lines(home, got.line_id), await lines(owner, got.line_id)
    assert here[0].digest == there[0].digest
    assert (here[0].purpose, here[0].who) == (REASON, "重庆市渝中区公安分局（演示）")
    assert "居住证签注" in here[0].basis


async def test_the_deciding_node_may_ask_the_home_by_holder(nodes):
    one = await drive(nodes, owner="500000")
    got = await found(nodes, "510000")
    assert of(got, one).issuer == "500000"
    data = await credentials.licence_data(nodes["510000"], make.staff(), of(got, one), subject=HER, purpose=WHY)
    assert isinstance(data, LicenceData)


REFUSED = {
    "an item that does not need it": (WHY, "510000", "社会保障卡", "100"),
    "no case": (msgspec.structs.replace(WHY, case=""), "500000", "机动车驾驶证", "100"),
    "no item": (msgspec.structs.replace(WHY, task_code=""), "500000", "机动车驾驶证", "100"),
    "neither home nor deciding node": (WHY, "cn", "机动车驾驶证", "100"),
}


@pytest.mark.parametrize(("why", "asker", "name", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_without_need_nothing_is_given_not_even_in_an_error(nodes, why, asker, name, code):
    """T-29, T-32: item, case and asker are all looked at; what is refused is written down and says nothing."""
    one = await drive(nodes) if name == "机动车驾驶证" else await drive(nodes, owner="500000", name=name)
    owner = "510000" if name == "机动车驾驶证" else "500000"
    asked = share.UseAsked(uuid7(), nodes[asker].clock.ms(), "演示单位", why.reason, HER, one.id, (name,), (), why.task_code, why.case)
    for service in (share.DATA_BY_ID, share.DATA_BY_HOLDER, share.FILE_BY_ID, share.FILE_BY_HOLDER):
        answer = await federation.call(nodes[asker], owner, service, msgspec.to_builtins(msgspec.structs.replace(asked, id=uuid7())))
        assert answer["code"] == code, (service, answer)
        assert not {"values", "file", "line"} & set(answer)
        assert "陈演示" not in str(answer)
        assert "'C1'" not in str(answer)  # the signature may hold the two letters
    assert not (await found(nodes, asker, name, why)).found
    async with nodes[owner].db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM credential_use WHERE caller = $1 AND result = $2", asker, code) >= 4


async def test_a_question_without_a_reason_or_out_of_its_time_is_malformed(nodes):
    one = await drive(nodes)
    good = share.UseAsked(uuid7(), nodes["500000"].clock.ms(), "演示单位", REASON, HER, one.id, (), (), TASK, "d-1")
    for bad in ({"reason": " "}, {"reason": "理" * 201}, {"at": good.at - 10 * 60_000}, {"id": "1"}, {"who": ""}, {"v": 2}):
        body = msgspec.to_builtins(msgspec.structs.replace(good, **bad))
        with pytest.raises(federation.CallRefused):
            await federation.call(nodes["500000"], "510000", share.DATA_BY_ID, body)
    stranger = msgspec.to_builtins(msgspec.structs.replace(good, id=uuid7(), subject="n1somebodyelse"))
    assert (await federation.call(nodes["500000"], "510000", share.DATA_BY_ID, stranger))["code"] == "11"


async def test_the_file_is_a_watermarked_copy_under_a_one_off_id(nodes):
    home, owner = nodes["500000"], nodes["510000"]
    one = await drive(nodes, name="机动车行驶证")
    licence = of(await found(nodes, "500000", "机动车行驶证"), one)
    got = await credentials.licence_file(home, make.citizen(HER), licence, subject=HER, purpose=WHY)
    assert isinstance(got, LicenceFile), got
    with zipfile.ZipFile(io.BytesIO(got.ofd)) as package:
        content = package.read("Doc_0/Pages/Page_0/Content.xml").decode()
    for word in ("重庆市渝中区公安分局（演示）", REASON, "调取"):
        assert word in content, word
    assert got.watermark.startswith("仅供重庆市渝中区公安分局")
    async with home.db.reading() as tx:
        original = await queries.card_ofd(tx, home, HER, one.id)
        assert seals.verify_ofd(got.ofd, await seals.anchors(tx)).ok
    assert got.ofd != original
    # the id works once, for the node that asked, while it lives, and only while the licence is valid
    asked = share.UseAsked(uuid7(), home.clock.ms(), "演示单位", REASON, HER, one.id, (), (), TASK, "d-1")
    given = await federation.call(home, "510000", share.FILE_BY_ID, msgspec.to_builtins(asked))
    body = {"v": 1, "file": given["file"]}
    assert (await federation.call(nodes["cn"], "510000", share.DOWNLOAD, body))["code"] == "10", "another node took it"
    assert (await federation.call(home, "510000", share.DOWNLOAD, body))["code"] == "0"
    assert (await federation.call(home, "510000", share.DOWNLOAD, body))["code"] == "10", "taken twice"
    late = msgspec.structs.replace(asked, id=uuid7())
    given = await federation.call(home, "510000", share.FILE_BY_ID, msgspec.to_builtins(late))
    async with owner.db.transaction() as tx:
        await tx.execute("UPDATE credential_file SET expires_at = $2 WHERE id = $1", late.id, owner.clock.now() - timedelta(seconds=1))
    assert (await federation.call(home, "510000", share.DOWNLOAD, {"v": 1, "file": given["file"]}))["code"] == "10", "taken late"
    ended = msgspec.structs.replace(asked, id=uuid7())
    given = await federation.call(home, "510000", share.FILE_BY_ID, msgspec.to_builtins(ended))
    async with owner.db.transaction() as tx:
        await status.change(tx, owner, make.staff("head"), HER, one.id, "suspend", Ground("核查", "道路交通安全法"))
    assert (await federation.call(home, "510000", share.DOWNLOAD, {"v": 1, "file": given["file"]}))["code"] == "10", "given though suspended"
    refused = await credentials.licence_data(home, make.citizen(HER), licence, subject=HER, purpose=WHY)
    assert refused == LicenceRefused("10")


async def test_no_copy_of_a_licence_of_which_the_item_needs_two_fields_only(nodes):
    """T-29: everything stands on a copy, also under a grant for it: only an item that needs the licence whole gets one."""
    one = await drive(nodes)
    licence = of(await found(nodes, "500000"), one)
    got = await credentials.licence_file(nodes["500000"], make.citizen(HER), licence, subject=HER, purpose=WHY)
    assert got == LicenceRefused("100"), "a whole copy where two fields are needed"


async def test_verify_tells_the_state_of_an_identifier(nodes):
    one = await drive(nodes)
    asked = share.UseAsked(uuid7(), nodes["500000"].clock.ms(), "演示单位", REASON, credential=one.identifier, digest=one.digest)
    answer = await federation.call(nodes["500000"], "510000", share.VERIFY, msgspec.to_builtins(asked))
    assert (answer["code"], answer["state"], answer["same"]) == ("0", "01", True)
    other = msgspec.structs.replace(asked, id=uuid7(), digest="sm3:other")
    assert not (await federation.call(nodes["500000"], "510000", share.VERIFY, msgspec.to_builtins(other)))["same"]
    for subject, code in ((HER, "0"), ("n1somebodyelse", "11")):
        named = msgspec.structs.replace(asked, id=uuid7(), subject=subject)
        answer = await federation.call(nodes["500000"], "510000", share.VERIFY, msgspec.to_builtins(named))
        assert (answer["code"], "state" in answer) == (code, code == "0"), "the state of somebody else's licence is told"


async def test_with_its_issuer_away_the_home_uses_its_own_copy_and_says_so(nodes, monkeypatch):
    home = nodes["500000"]
    one = await drive(nodes)
    licence = of(await found(nodes, "500000"), one)

    async def away(*_args, **_more):
        raise federation.CallFailed("unreachable", retryable=True)

    monkeypatch.setattr(federation, "call", away)
    got = await credentials.licence_data(home, make.citizen(HER), licence, subject=HER, purpose=WHY)
    assert isinstance(got, LicenceData)
    assert got.kept
    assert set(got.values) == {"姓名", "准驾车型"}
    assert of(await found(nodes, "500000"), one).id == one.id, "the wallet needs no other node"
    elsewhere = await use.find_licences(nodes["510000"], make.staff(), subject=HER, home="500000", types=("机动车驾驶证",), purpose=WHY)
    assert elsewhere.silent


async def test_a_look_while_the_home_was_away_is_told_when_it_is_back(nodes, monkeypatch):
    """R-404: the window judged by what the code says; the holder sees that look in the end, with what was shown."""
    home, there, call = nodes["500000"], nodes["510000"], federation.call
    async with home.db.transaction() as tx:
        card = await make.licence(tx, home)
        shown = await credentials.present(tx, home, make.citizen(), card.id)
        other = await credentials.present(tx, home, make.citizen(), card.id)
    async with there.db.transaction() as tx:
        bank = await make.window(tx, there)

    async def away(*_args, **_more):
        raise federation.CallFailed("unreachable", retryable=True)

    monkeypatch.setattr(federation, "call", away)
    found = await verify.verify_presentation(there, shown.token, bank)
    assert (found.kind, found.online) == ("valid", False)
    assert (await verify.verify_presentation(there, shown.token, bank)).code == "used"
    assert (await verify.verify_presentation(there, other.token, None)).kind == "valid"
    monkeypatch.setattr(federation, "call", call)
    async with there.db.reading() as tx:
        told = [msgspec.json.decode(row["payload"]) for row in await tx.fetch("SELECT payload FROM pgqueuer WHERE entrypoint = $1 ORDER BY id", many.JOB)]
    assert len(told) == 2, "a look is nobody's"
    for one in told:
        await many.tell_homes(there, one)
    async with home.db.reading() as tx:
        views = await credentials.views(tx, home, make.SUBJECT, card.id)
    assert {(one.unit, one.result, *sorted(one.fields)) for one in views} == {("演示银行", "valid", "名称", "统一社会信用代码"), ("未登记的查验方", "valid")}
    late = {**told[0], "at": told[0]["at"] - 8 * 86_400_000}
    monkeypatch.setattr(federation, "call", away)
    await many.tell_homes(there, late)
    async with there.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM pgqueuer WHERE entrypoint = $1", many.JOB) == 2, "tried for ever"


async def test_owners_are_asked_all_at_once_when_the_home_says_nothing(nodes, monkeypatch):
    """A person does not wait for one silent node after the other; each is named, also one that refuses to be asked now."""
    asker, together, met = nodes["510000"], asyncio.Event(), []

    async def slow(_node, to, *_args, **_more):
        if to == "500000":
            raise federation.CallRefused(404, "no_such_service")
        met.append(to)
        if len(met) == 2:
            together.set()
        await asyncio.wait_for(together.wait(), 5)
        raise federation.CallFailed("unreachable", retryable=True)

    monkeypatch.setattr(federation, "call", slow)
    monkeypatch.setattr(use, "type_named", lambda _node, _name: SimpleNamespace(gathered_from=("cn", "mps"), on_request=""))
    told = await use.find_licences(asker, make.staff(), subject=HER, home="500000", types=("机动车驾驶证",), purpose=WHY)
    assert (sorted(met), told.found, len(told.silent)) == (["cn", "mps"], (), 3)


async def test_what_a_wallet_lacks_is_asked_for_when_an_item_needs_it(nodes, monkeypatch):
    """R-405: the register is asked for the types that are needed, by the person's own act; who is away is named."""
    home, her = nodes["500000"], make.citizen(HER)
    entry = providers.Entry(
        "R2", "结婚证", make.OFFICE_VALID.org_code, "四川演示民政局（演示）", {"name": "陈演示", "registered_on": "2020-01-01", "spouse_name": "李演示"}
    )
    asked = []

    class One:
        async def entries(self, number, name):
            asked.append((number, name))
            return (entry,)

    async def person(_tx, _node, _subject):
        return SimpleNamespace(number=Personal(NUMBER), name=Personal("陈演示"), home="500000")

    async def proof(_node, _subject):
        return ""

    async def proven(_node, _subject, node_id, _proof=""):
        return node_id == "500000"

    monkeypatch.setattr("tongban.identity.person", person)
    monkeypatch.setattr("tongban.identity.home_proof", proof)
    monkeypatch.setattr("tongban.identity.is_home", proven)
    monkeypatch.setitem(providers.registers._registers, nodes["510000"], One())
    owners = {one.name: one.gathered_from for one in (credentials.type_named(home, name) for name in ("结婚证", "不动产权证书"))}
    assert all("510000" in one for one in owners.values())
    told = await credentials.fetch_missing(home, her, HER, tuple(owners))
    assert told.coming == {"结婚证": "510000"}, "a type the register does not hold is on no way"
    assert asked == [(NUMBER, "陈演示")]
    monkeypatch.setitem(providers.registers._registers, nodes["510000"], providers.DemoRegister("510000", way="away"))
    assert "510000" in (await credentials.fetch_missing(home, her, HER, ("结婚证",))).silent
    assert (await credentials.fetch_missing(home, make.staff(), HER, ("结婚证", "居民身份证"))).coming == {"居民身份证": "mps"}, "asked by somebody else"
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM credential_gathering WHERE subject = $1", HER) == 0, "the rest is never asked for"


async def test_a_licence_of_sichuan_is_checked_in_chongqing_also_with_sichuan_away(nodes, monkeypatch):
    """R-403: valid by the list that was told; revoked is refused; a list that did not come is had from the hub."""
    home = nodes["500000"]
    one = await drive(nodes)
    async with nodes["510000"].db.transaction() as tx:
        await status.change(tx, nodes["510000"], make.staff("head"), HER, one.id, "revoke", Ground("虚假材料", "道路交通安全法"))
    await deliver(nodes)
    async with home.db.transaction() as tx:
        assert (await queries.card(tx, home, HER, one.id)).state == "revoked"
        assert (await issued.card_events(tx, home, HER, one.id))[0].operation == "revoke"
        # this node lost its list; the issuer is away, the hub still has it
        await tx.execute("DELETE FROM credential_list WHERE issuer = '510000'")
    call = federation.call

    async def sichuan_away(node, to, service, body, **more):
        if to == "510000":
            raise federation.CallFailed("unreachable", retryable=True)
        return await call(node, to, service, body, **more)

    monkeypatch.setattr(federation, "call", sichuan_away)
    assert await lists.pull(home) >= 1
    async with home.db.transaction() as tx:
        assert (await queries.card(tx, home, HER, one.id)).state == "revoked"
        shown = await credentials.present(tx, home, make.citizen(HER), one.id)
    assert (await verify.verify_presentation(nodes["cn"], shown.token, None)).kind == "revoked"
    async with home.db.reading() as tx:
        forged = await held_signed(tx, "510000", one.list_no)
    forged["list"]["at"] += 1000
    with pytest.raises(ValueError, match="signature"):
        async with home.db.transaction() as tx:
            await lists.receive(tx, "510000", forged)


async def test_a_register_gives_to_the_home_only_once_and_by_the_normal_path(nodes, monkeypatch):
    """T-32: the home shows that it is the home; what the register holds is issued, sealed and told by its owner."""
    owner, home = nodes["510000"], nodes["500000"]
    entry = providers.Entry(
        "R1", "学历证书（高等教育）", make.OFFICE_VALID.org_code, "四川演示大学（演示）",
        {"name": "陈演示", "school": "四川演示大学（演示）", "major": "软件工程", "level": "本科", "graduated_on": "2013-06-30"},
    )  # fmt: skip

    class One:
        async def entries(self, number, name):
            return (entry,) if (number, name) == (NUMBER, "陈演示") else ()

    monkeypatch.setitem(providers.registers._registers, owner, One())
    body = {
        "v": 1, "subject": HER, "number": NUMBER, "name": "陈演示", "types": ["学历证书（高等教育）"], "line": uuid7(), "at": home.clock.ms(), "who": "四川省",
    }  # fmt: skip
    with pytest.raises(federation.CallRefused):
        await federation.call(home, "510000", gathering.SERVICE, body)

    async def proven(node, subject, node_id, proof=""):
        return node_id == "500000"

    monkeypatch.setattr("tongban.identity.is_home", proven)
    with pytest.raises(federation.CallRefused):
        await federation.call(nodes["cn"], "510000", gathering.SERVICE, body)
    assert (await federation.call(home, "510000", gathering.SERVICE, body))["count"] == 1
    async with owner.db.reading() as tx:
        jobs = [msgspec.json.decode(row["payload"]) for row in await tx.fetch("SELECT payload FROM pgqueuer WHERE entrypoint = $1", gathering.JOB)]
    assert NUMBER not in str(jobs)
    for payload in jobs * 2:
        await gathering.from_register(owner, payload)
    await deliver(nodes)
    async with home.db.reading() as tx:
        cards = [one for one in await credentials.of_holder(tx, home, HER) if one.type_name == "学历证书（高等教育）"]
        ofd = await queries.card_ofd(tx, home, HER, cards[0].id)
        anchors = await seals.anchors(tx)
    assert len(cards) == 1
    assert (cards[0].issuer, cards[0].data["major"].reveal()) == ("510000", "软件工程")
    assert seals.verify_ofd(ofd, anchors).ok
    pdf = await papers.card_pdf(home, HER, cards[0].id)
    assert (await seals.verify_pdf(pdf, anchors)).ok, "the PDF comes from its issuer when it is asked for"
    with pytest.raises(federation.CallRefused):  # to nobody but the home
        await federation.call(nodes["cn"], "510000", papers.SERVICE, {"v": 1, "subject": HER, "credential": cards[0].id})
    monkeypatch.setitem(providers.registers._registers, owner, providers.DemoRegister("510000", way="away"))
    with pytest.raises(federation.CallFailed):
        await federation.call(home, "510000", gathering.SERVICE, body | {"line": uuid7()})
