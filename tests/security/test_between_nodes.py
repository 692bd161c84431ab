"""A genuine node that lies or asks too much: each test is named after its row of docs/threat-model.md."""

from __future__ import annotations

from typing import Any

import pytest

from tongban import consent, credentials, exchange, federation, seals
from tongban.cases import letters as case_letters
from tongban.cases.tests import make as cases
from tongban.credentials import letters as card_letters
from tongban.credentials.tests import make as cards
from tongban.exchange.tests.make import ask, at_home, person_at, sharing
from tongban.feedback import letters as review_letters
from tongban.feedback.tests import make as reviews
from tongban.identity.letters import accounts as account_letters
from tongban.kernel.ids import uuid7
from tongban.service_apps import letters as app_letters


@pytest.fixture(scope="module")
async def nodes(make_node: Any) -> Any:
    async with sharing(make_node, "mps", "samr", "500000") as made:
        made["person"] = await person_at(made["mps"])
        await at_home({name: one for name, one in made.items() if name != "person"}, "500000", made["person"])
        yield made


@pytest.fixture(scope="module")
async def alone(make_node: Any) -> Any:
    """重庆 with an item, before it has met another node."""
    return await cases.ready(await make_node("500000"))


def letter(origin: str, to: str, kind: str, body: dict[str, Any], about: str = "x") -> federation.Letter:
    """What a handler sees of a letter that a genuine node signed: only its content is a lie."""
    return federation.Letter(
        id=uuid7(), origin=origin, to=to, epoch=1, seq=1, kind=kind, kind_version=1, about=about, at=1_800_000_000_000,
        counts_at=1_800_000_000_000, body=body,
    )  # fmt: skip


async def test_t28_the_ledger_of_a_person_goes_to_the_home_only(nodes: Any) -> None:
    person = nodes["person"]
    got = await ask(nodes["500000"], person)
    assert isinstance(got, exchange.Fetched)
    for service, body in (("exchange.ledger", {}), ("exchange.receipt", {"id": got.line_id, "side": "owner"})):
        for caller in ("samr", "cn"):
            with pytest.raises(federation.CallRefused) as no:
                await federation.call(nodes[caller], "mps", service, {"v": 1, "subject": person, **body})
            assert no.value.problem == "no_grant", "field ledger returned"
    seen = await federation.call(nodes["500000"], "mps", "exchange.ledger", {"v": 1, "subject": person})
    assert got.line_id in {line["id"] for line in seen["lines"]}


async def test_t28_a_home_proof_is_the_registers_and_for_that_home(nodes: Any) -> None:
    from tongban import identity

    person = nodes["person"]
    proof = await identity.home_proof(nodes["500000"], person)
    assert await identity.is_home(nodes["samr"], person, "500000", proof)
    assert not await identity.is_home(nodes["samr"], person, "cn", proof), "field ledger returned"
    assert not await identity.is_home(nodes["samr"], "n1" + "z" * 32, "500000", proof), "field ledger returned"
    assert not await identity.is_home(nodes["samr"], person, "500000", proof[:-4] + "AAAA"), "field ledger returned"
    assert not await identity.is_home(nodes["samr"], person, "500000"), "field ledger returned"


async def test_t29_nothing_about_a_person_without_a_reference(nodes: Any) -> None:
    body = {
        "v": 1, "id": uuid7(), "resource": "mps.population", "fields": ["name"], "purpose": "case.prefill", "who": "重庆市",
        "purpose_words": "填表", "subject": nodes["person"], "asked": {}, "case": "",
    }  # fmt: skip
    with pytest.raises(federation.CallRefused):
        await federation.call(nodes["500000"], "mps", "exchange.get", body)
    async with nodes["mps"].db.reading() as tx:
        lines = await consent.lines(tx, "mps", nodes["person"])
    assert body["id"] not in {line.id for line in lines}, "answered without reference"


async def test_t32_an_identity_card_is_sent_to_the_home_only(nodes: Any) -> None:
    register = nodes["mps"]
    await seals.set_up(register)
    await credentials.set_up(register)
    kind = credentials.type_named(register, "居民身份证")
    assert kind is not None
    wanted = {"v": 1, "subject": nodes["person"], "type": kind.code}

    async def sent(to: str) -> int:
        async with register.db.transaction() as tx:
            await card_letters.requested(tx, register, letter(to, "mps", "credential.requested", wanted))
            count: int = await tx.fetchval('SELECT count(*) FROM outbox WHERE "to" = $1 AND kind = $2', to, "credential.issued")
        return count

    assert await sent("samr") == 0, "foreign fact applied: a card went to a stranger"
    assert await sent("500000") == 1


async def test_t32_only_the_issuer_tells_of_a_print(alone: Any) -> None:
    async with alone.db.transaction() as tx:
        issued = await cards.licence(tx, alone, subject=cases.XIAOYU)
    async with alone.db.transaction() as tx:
        with pytest.raises(ValueError, match="another issuer"):
            await _pickup_then_notice(tx, alone, issued.id, "samr")
    async with alone.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM credential_pickup WHERE state = 'handed_over'") == 0, "foreign fact applied"


async def _pickup_then_notice(tx: Any, node: Any, card: str, origin: str) -> None:
    order = uuid7()
    await tx.execute(
        "INSERT INTO credential_pickup (subject, id, card, hall_name, code, state, valid_until, rev, changed_at)"
        " VALUES ($1, $2, $3, '大厅', $4, 'requested', now()::date + 7, -1, now())",
        cases.XIAOYU, order, card, node.cipher.seal("case", "credential_pickup.code", order, ""),
    )  # fmt: skip
    body = {"v": 1, "order": order, "subject": cases.XIAOYU, "state": "handed_over", "rev": 3}
    await card_letters.print_notice(tx, node, letter(origin, node.id, "print.notice", body))


async def test_t32_an_answer_to_a_review_comes_from_the_node_that_handled_it(alone: Any) -> None:
    case = await reviews.delivered(alone)
    await reviews.give(alone, case, 1, text="跑了两趟（演示）")
    async with alone.db.reading() as tx:
        review = str(await tx.fetchval("SELECT review_id FROM review_given WHERE case_id = $1", case.id))
    told = letter("510000", alone.id, "review.answered", {"v": 1, "review": review, "reply": "请打这个电话（假的）"}, f"review:{review}")
    with pytest.raises(Exception) as refused:
        async with alone.db.transaction() as tx:
            await review_letters.answered(tx, alone, told)
    assert type(refused.value).__name__ == "ReviewNotBelieved"
    async with alone.db.reading() as tx:
        assert await tx.fetchval("SELECT replied_at FROM review_given WHERE review_id = $1", review) is None, "foreign fact applied"


async def test_t32_a_second_node_does_not_take_a_number_over(make_node: Any) -> None:
    hub = await make_node("cn")
    for origin in ("500000", "510000"):
        async with hub.db.transaction() as tx:
            body = {"number": cases.NUMBER, "phone": "13912345678"}
            await account_letters.account_opened(tx, hub, letter(origin, "cn", "account.opened", body))
    async with hub.db.reading() as tx:
        homes = {row["home"] for row in await tx.fetch("SELECT home FROM home_index")}
    assert homes == {"500000"}, "foreign fact applied"


async def test_t32_a_stranger_moves_no_case_and_ends_no_session(alone: Any) -> None:
    case = (await cases.sent(alone)).id
    for handler, body in (
        (case_letters.withdraw_requested, {"case": case, "request": uuid7(), "seen": [1, 1]}),
        (case_letters.opened, {"case": case, "what": "result"}),
        (case_letters.taken, {"case": case, "term": 2}),
        (case_letters.forwarded, {"case": case, "kind": "withdraw", "origin": "500000", "at": 1, "body": {}}),
    ):
        with pytest.raises(Exception) as refused:
            async with alone.db.transaction() as tx:
                await handler(tx, alone, letter("510000", alone.id, "case.x", body, f"case:{case}"))
        assert type(refused.value).__name__ == "LetterNotOurs", "foreign fact applied"
    assert (await cases.held(alone, case)).state == "received", "foreign fact applied"


async def test_t32_an_app_of_another_node_carries_no_item_of_ours(alone: Any) -> None:
    app = {
        "id": uuid7(), "node": "510000", "name": "全都归我", "owner_name": "四川（演示）", "contact_unit": "x", "contact_phone": "028-1", "version": 1,
        "digest": "sm3:x", "channels": ["h5", "pc"], "items": [{"task_code": cases.PERMIT, "version": 1}], "published_at": "2026-11-18T02:00:00Z",
    }  # fmt: skip
    with pytest.raises(Exception) as refused:
        async with alone.db.transaction() as tx:
            await app_letters.published(tx, alone, letter("510000", alone.id, "app.published", {"app": app, "rev": 1}))
    assert type(refused.value).__name__ == "AppNotBelieved", f"foreign fact applied: {refused.value!r}"


async def test_t56_a_node_that_names_new_verifiers_is_stopped_too(alone: Any) -> None:
    async with alone.db.transaction() as tx:
        issued = await cards.licence(tx, alone, subject=cases.XIAOYU)
        shown = await credentials.present(tx, alone, cards.citizen(cases.XIAOYU), issued.id, "")
    answers = []
    for number in range(62):
        guess = f"{(int(shown.digits) + 1 + number) % 10**8:08d}"
        with pytest.raises(federation.CallRefused) as no:
            await card_letters.digits(alone, "510000", {"v": 1, "digits": guess, "group": f"bank-{number}"})
        answers.append(no.value.problem)
    assert answers[:60] == ["not_found"] * 60
    assert answers[60:] == ["quota", "quota"], "hit by guessing"


async def test_t84_the_issuer_is_not_asked_when_a_card_is_looked_at(alone: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def call(_node: Any, to: str, service: str, *_more: Any, **_other: Any) -> Any:
        asked.append(f"{to} {service}")
        raise AssertionError("issuer called")

    monkeypatch.setattr(federation, "call", call)
    async with alone.db.transaction() as tx:
        issued = await cards.licence(tx, alone, subject=cases.XIAOYU)
        shown = await credentials.present(tx, alone, cards.citizen(cases.XIAOYU), issued.id, "")
        window = await cards.window(tx, alone)
    assert (await credentials.verify_presentation(alone, shown.token, window)).kind == "valid"
    assert asked == [], "issuer called"
