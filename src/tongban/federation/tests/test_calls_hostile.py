"""Calls that lie, repeat, come late or ask the wrong node: each row of the problem table (threat T-27)."""

from __future__ import annotations

import asyncio
import io
import secrets

import pytest

from tongban import federation
from tongban.federation.actions.nonces import Used, use_nonce
from tongban.federation.actions.office import office
from tongban.federation.actions.way import transport
from tongban.federation.rules import signatures
from tongban.federation.rules.traffic import Limit
from tongban.federation.tests.make import nation
from tongban.kernel.gm import FileKeyStore, b64, jcs, parse_object
from tongban.kernel.ids import uuid7

PATH = "/federation/call/demo.echo"
acts = []


async def echo(node, caller, body):
    return {"v": 1, "caller": caller, "said": body.get("say", "")}


async def act(node, caller, body):
    async with node.db.transaction() as tx:
        acts.append(body["say"])
        answer = {"v": 1, "number": len(acts)}
        await federation.remember(tx, node, answer)
    return answer


async def refuse(node, caller, body):
    raise federation.CallRefused(422, "refused", ("demo.not_today",))


async def slow(node, caller, body):
    await asyncio.sleep(5)
    return {}


async def broken(node, caller, body):
    raise RuntimeError("演示 secret text that must not travel")


CALLS = {"demo.echo": echo, "demo.act": act, "demo.refuse": refuse, "demo.slow": slow, "demo.broken": broken}


@pytest.fixture(scope="module")
async def nodes(make_node):
    async with nation(make_node, "500000", "510000", calls=CALLS) as nodes:
        yield nodes


async def ask(
    nodes,
    *,
    signer=None,
    to="510000",
    path=PATH,
    body=b'{"say":"hello"}',
    change=None,
    key=None,
    late=0,
    method="POST",
    sent_body=None,
    budget=2500,
):
    """One hand-made call from 500000 to 510000; (status, problem code, body, headers)."""
    caller, server = nodes["500000"], nodes["510000"]
    headers = signatures.sign_request(
        signer or caller.keys.signer("s1"), method=method, path=path, to=to, budget_ms=budget, body=body, idempotency_key=key,
        now=caller.clock.ms() // 1000 + late, nonce=b64(secrets.token_bytes(16)),
    )  # fmt: skip
    headers |= change or {}
    status, names, content = await transport(
        caller, method, server.settings.base_url, server.settings.connect, path, headers=headers,
        body=body if sent_body is None else sent_body, seconds=10,
    )  # fmt: skip
    value = parse_object(content)
    return status, value.get("code"), value, names, headers


async def test_an_honest_call_is_answered_and_the_answer_is_bound_to_it(nodes):
    status, _, value, names, _ = await ask(nodes)
    assert (status, value["caller"], value["said"]) == (200, "500000", "hello")
    parameters = signatures.read_answer_parameters(names)
    found = await federation.present(nodes["500000"])
    key = found.listed_key("510000/s1")
    assert parameters.keyid == key[1].kid
    assert "signature" in names


async def test_not_for_this_node(nodes):
    assert (await ask(nodes, to="mps"))[:2] == (403, "not_for_you")


async def test_a_stranger_is_unknown(nodes, tmp_path):
    stranger = FileKeyStore(tmp_path, "999999").signer("s1")
    assert (await ask(nodes, signer=stranger))[:2] == (401, "unknown_key")


async def test_a_key_of_another_node_does_not_speak_for_the_caller(nodes):
    assert (await ask(nodes, signer=nodes["cn"].keys.signer("s1"), change={"tongban-from": "500000"}))[:2] == (
        401,
        "unknown_key",
    )


async def test_a_forged_signature(nodes, tmp_path):
    forger = FileKeyStore(tmp_path, "500000").signer("s1")  # same key id, other key
    assert (await ask(nodes, signer=forger))[:2] == (401, "bad_signature")


async def test_no_signature_at_all(nodes):
    status, code, _, names, _ = await ask(nodes, change={"signature-input": "", "signature": ""})
    assert (status, code) == (401, "bad_signature")
    assert "signature" not in names


async def test_another_algorithm_label(nodes):
    headers = signatures.sign_request(
        nodes["500000"].keys.signer("s1"), method="POST", path=PATH, to="510000", budget_ms=2500, body=b"{}",
        idempotency_key=None, now=nodes["500000"].clock.ms() // 1000, nonce=b64(secrets.token_bytes(16)),
    )  # fmt: skip
    wrong = {"signature-input": headers["signature-input"].replace("sm2-sm3", "hmac-sm3")}
    assert (await ask(nodes, body=b"{}", change=wrong))[:2] == (401, "bad_signature")


async def test_a_changed_body(nodes):
    assert (await ask(nodes, sent_body=b'{"say":"other"}'))[:2] == (401, "bad_digest")


@pytest.mark.parametrize("late", [-90, 90])
async def test_stale_or_from_the_future(nodes, late):
    assert (await ask(nodes, late=late))[:2] == (401, "stale")


async def test_the_same_request_twice_is_a_replay(nodes):
    headers = (await ask(nodes))[4]
    assert (await ask(nodes, change=headers))[:2] == (401, "replayed")


async def test_the_same_nonce_many_times_at_one_moment_counts_once(nodes):
    """What is looked at by one statement is still looked at one by one (T-27)."""
    now = nodes["510000"].clock.ms() // 1000
    used = Used("500000", b64(secrets.token_bytes(16)), now, now + 30)
    got = await asyncio.gather(*(use_nonce(nodes["510000"], used) for _ in range(5)), return_exceptions=True)
    assert [one for one in got if one is None] == [None]
    assert {one.code for one in got if one is not None} == {"replayed"}


async def test_a_forged_request_does_not_use_up_a_nonce(nodes, tmp_path):
    nonce = b64(secrets.token_bytes(16))
    forger = FileKeyStore(tmp_path, "500000").signer("s1")
    for signer, expected in ((forger, 401), (nodes["500000"].keys.signer("s1"), 200)):
        headers = signatures.sign_request(
            signer, method="POST", path=PATH, to="510000", budget_ms=2500, body=b"{}", idempotency_key=None,
            now=nodes["500000"].clock.ms() // 1000, nonce=nonce,
        )  # fmt: skip
        assert (await ask(nodes, body=b"{}", change=headers))[0] == expected


async def test_after_a_crash_of_the_nonce_table_older_requests_are_stale(nodes):
    async with nodes["510000"].db.transaction() as tx:
        await tx.execute("TRUNCATE call_nonce")
    assert (await ask(nodes, late=-5))[:2] == (401, "stale")
    assert (await ask(nodes))[0] == 200


async def test_a_suspended_node_is_not_answered(nodes):
    hub = nodes["cn"]
    for status, expected in (("suspended", (403, "node_suspended")), ("active", (200, None))):
        async with hub.db.transaction() as tx:
            await federation.set_status(tx, hub, "500000", status)
        await federation.refresh(nodes["510000"])
        assert (await ask(nodes))[:2] == expected


async def test_too_large(nodes):
    body = b'{"say":"' + b"x" * (1024 * 1024) + b'"}'
    assert (await ask(nodes, body=body, sent_body=io.BytesIO(body)))[:2] == (413, "too_large")


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"a":1,"a":2}', b'{"a":1.5}'])
async def test_malformed(nodes, body):
    assert (await ask(nodes, body=body))[:2] == (400, "malformed")


async def test_no_such_service(nodes):
    assert (await ask(nodes, path="/federation/call/demo.nothing"))[:2] == (404, "no_such_service")


async def test_a_refusal_carries_its_reasons(nodes):
    status, code, value, _, _ = await ask(nodes, path="/federation/call/demo.refuse")
    assert (status, code, value["reasons"]) == (422, "refused", ["demo.not_today"])


async def test_a_broken_service_says_nothing_of_its_inside(nodes):
    status, code, value, _, _ = await ask(nodes, path="/federation/call/demo.broken")
    assert (status, code) == (504, "upstream")
    assert "secret" not in str(value)


async def test_the_deadline_stops_the_work(nodes):
    assert (await ask(nodes, path="/federation/call/demo.slow", budget=100))[:2] == (504, "deadline")


async def test_an_idempotency_key_does_the_act_once(nodes):
    acts.clear()
    key, path = uuid7(), "/federation/call/demo.act"
    first = await ask(nodes, path=path, body=b'{"say":"a"}', key=key)
    again = await ask(nodes, path=path, body=b'{"say":"a"}', key=key)
    assert acts == ["a"]
    assert first[2] == again[2] == {"v": 1, "number": 1}
    assert (await ask(nodes, path=path, body=b'{"say":"b"}', key=key))[:2] == (422, "key_reused")
    assert acts == ["a"]


async def test_the_same_key_while_the_first_attempt_runs(nodes):
    acts.clear()
    key, path = uuid7(), "/federation/call/demo.act"
    found = await asyncio.gather(*(ask(nodes, path=path, body=b'{"say":"a"}', key=key) for _ in range(4)))
    assert acts == ["a"]
    assert {one[0] for one in found} <= {200, 409}


async def test_badly_signed_requests_are_limited_before_any_sm2_work(nodes):
    memory = office(nodes["510000"])
    before, memory.unsigned = memory.unsigned, Limit(3)
    try:
        codes = [(await ask(nodes, change={"signature-input": "x"}))[1] for _ in range(5)]
        assert codes[:3] == ["bad_signature"] * 3
        assert "quota" in codes[3:]
    finally:
        memory.unsigned = before


async def test_more_than_the_processors_bear_is_turned_away_before_any_sm2_work(nodes, monkeypatch):
    """Back-pressure (R-402): 503 with Retry-After, signed, and the nonce is not used: the same request may come again."""
    from tongban.federation.actions import answer

    asked = []

    async def checked(*_more: object) -> bool:
        asked.append(1)
        return True

    monkeypatch.setattr(answer, "true_signature", checked)
    monkeypatch.setattr(answer, "waiting", lambda: answer.MOST_WAITING)
    status, code, _, headers, _ = await ask(nodes)
    assert (status, code) == (503, "overloaded")
    assert int(headers["retry-after"]) >= 1
    assert headers["signature"].startswith("tb=:")
    assert asked == [], "a signature was checked although none of them could be answered"


async def test_the_caller_learns_what_was_refused(nodes):
    with pytest.raises(federation.CallRefused) as said:
        await federation.call(nodes["500000"], "510000", "demo.refuse", {"v": 1})
    assert (said.value.problem, said.value.reasons) == ("refused", ("demo.not_today",))


async def test_a_forged_answer_decides_nothing(nodes, monkeypatch):
    real = signatures.with_signature

    def forged(headers, signature):
        return real(headers, signature) | {"content-digest": signatures.content_digest(b"x")}

    monkeypatch.setattr(signatures, "with_signature", forged)
    with pytest.raises(federation.CallFailed) as failed:
        await federation.call(nodes["500000"], "510000", "demo.echo", {"v": 1}, budget_ms=600)
    assert failed.value.problem in ("transport", "timeout")


async def test_a_node_that_is_away_fails_inside_the_budget_and_opens_the_breaker(nodes):
    caller = nodes["500000"]
    found = await federation.present(caller)
    away = found.node("510000")
    caller_office = office(caller)
    async with nodes["cn"].db.transaction() as tx:
        import msgspec

        def change(before):
            entry = msgspec.structs.replace(before.node("510000"), connect="127.0.0.1:9")
            from tongban.federation.actions.directory import with_node

            return with_node(before, entry)

        await federation.issue(tx, nodes["cn"], change)
    await federation.refresh(caller)
    codes = []
    for _ in range(12):
        with pytest.raises(federation.CallFailed) as failed:
            await federation.call(caller, "510000", "demo.away", {"v": 1}, budget_ms=300)
        codes.append(failed.value.problem)
    assert codes[0] in ("transport", "deadline")
    assert codes[-1] == "breaker_open"
    caller_office.breakers.clear()
    async with nodes["cn"].db.transaction() as tx:
        from tongban.federation.actions.directory import with_node

        await federation.issue(
            tx,
            nodes["cn"],
            lambda before: with_node(before, msgspec.structs.replace(before.node("510000"), connect=away.connect)),
        )
    await federation.refresh(caller)
    assert (await federation.call(caller, "510000", "demo.echo", {"say": "back"}))["said"] == "back"


def test_jcs_is_what_travels():
    assert jcs({"b": 1, "a": "演示"}) == '{"a":"演示","b":1}'.encode()
