"""Passkeys with an authenticator written out by hand (WebAuthn level 3): right, wrong host, unverified, replayed (T-21, T-95)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tongban.identity.actions import passkey, sign_in, step_up, theft
from tongban.identity.errors import failure
from tongban.identity.model import OpenedSession
from tongban.identity.providers.face import FaceResult
from tongban.identity.queries.sessions import by_id
from tongban.identity.tests.make import PHONE_AGENT, Browser, MakeNode, citizen, household
from tongban.identity.tests.make import sign_in as walk_in
from tongban.kernel.errors import Failure
from tongban.kernel.node import Node

BROWSER = sign_in.Browser(PHONE_AGENT, "127.0.0.1")


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Authenticator:
    """A phone with one discoverable key."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = os.urandom(32)
        self.count = 0

    def _data(self, rp: str, *, verified: bool, attested: bool) -> bytes:
        self.count += 1
        flags = 0x01 | (0x04 if verified else 0) | (0x40 if attested else 0)
        data = hashlib.sha256(rp.encode()).digest() + bytes([flags]) + struct.pack(">I", self.count)
        if attested:
            numbers = self.key.public_key().public_numbers()
            cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
            data += bytes(16) + struct.pack(">H", len(self.id)) + self.id + cose
        return data

    def _answer(self, response: dict[str, str]) -> str:
        return json.dumps({"id": b64u(self.id), "rawId": b64u(self.id), "type": "public-key", "response": response, "clientExtensionResults": {}})

    def make(self, options: str, origin: str, rp: str, *, verified: bool = True) -> str:
        client = json.dumps({"type": "webauthn.create", "challenge": json.loads(options)["challenge"], "origin": origin}).encode()
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": self._data(rp, verified=verified, attested=True)})
        return self._answer({"clientDataJSON": b64u(client), "attestationObject": b64u(attestation)})

    def get(self, options: str, origin: str, rp: str, *, verified: bool = True) -> str:
        client = json.dumps({"type": "webauthn.get", "challenge": json.loads(options)["challenge"], "origin": origin}).encode()
        data = self._data(rp, verified=verified, attested=False)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer({"clientDataJSON": b64u(client), "authenticatorData": b64u(data), "signature": b64u(signature)})


@pytest.fixture(scope="module")
async def home(make_node: MakeNode) -> AsyncIterator[Node]:
    async with household(make_node, "500000") as nodes:
        yield nodes["500000"]


async def session_of(home: Node, name: str = "陈晓雨") -> Any:
    from tongban import identity

    browser = Browser()
    await walk_in(browser, home, citizen(name))
    actor = await identity.resolve(home, browser.jar[home.settings.host])
    async with home.db.reading() as tx:
        return await by_id(tx, actor.sid)


async def bound(home: Node, name: str = "陈晓雨") -> tuple[Authenticator, Any]:
    session, phone = await session_of(home, name), Authenticator()
    async with home.db.transaction() as tx:
        options = await passkey.binding_options(tx, home, session, "陈**")
        made = phone.make(options, home.settings.base_url, home.settings.host)
        assert await passkey.bind(tx, home, session, made, "我的手机", PHONE_AGENT) == ()
    return phone, session


async def test_bound_passkey_signs_in_at_the_level_that_bound_it(home: Node) -> None:
    phone, session = await bound(home)
    async with home.db.transaction() as tx:
        await tx.execute("UPDATE account SET proof = 3 WHERE subject = $1", session.subject)
        opened = await passkey.sign_in_by(tx, home, phone.get(passkey.asking_options(home), home.settings.base_url, home.settings.host), BROWSER)
    assert isinstance(opened, OpenedSession)
    assert opened.session.subject == session.subject
    assert opened.session.acr == 2, "T-95: bound at level 2, so never 3"
    assert "hwk" in opened.session.amr


@pytest.mark.parametrize("attack", ["origin", "rp", "unverified", "replayed", "foreign_key", "old_challenge", "garbage"])
async def test_wrong_answers_sign_nobody_in(home: Node, attack: str) -> None:
    phone, _ = await bound(home, "刘建国")
    origin, rp = home.settings.base_url, home.settings.host
    options = passkey.asking_options(home)
    answer = phone.get(
        options, "https://500000.evil.example" if attack == "origin" else origin, "evil.example" if attack == "rp" else rp,
        verified=attack != "unverified",
    )  # fmt: skip
    if attack == "foreign_key":
        phone.key = ec.generate_private_key(ec.SECP256R1())
        answer = phone.get(options, origin, rp)
    if attack == "garbage":
        answer = json.dumps({"rawId": "AAAA", "response": {"clientDataJSON": "AAAA"}})
    async with home.db.transaction() as tx:
        if attack == "replayed":
            assert isinstance(await passkey.sign_in_by(tx, home, answer, BROWSER), OpenedSession)
        if attack == "old_challenge":
            home_now = home.clock.now
            home.clock.now = lambda: home_now() + timedelta(minutes=6)  # type: ignore[method-assign]
            try:
                refused = await passkey.sign_in_by(tx, home, answer, BROWSER)
            finally:
                home.clock.now = home_now  # type: ignore[method-assign]
        else:
            refused = await passkey.sign_in_by(tx, home, answer, BROWSER)
    assert not isinstance(refused, OpenedSession), f"assertion of {attack} accepted"
    assert refused[0].code == "identity.passkey_failed"


async def test_binding_asks_a_fresh_level_two_and_the_same_session(home: Node) -> None:
    session, phone = await session_of(home, "何志远"), Authenticator()
    other = await session_of(home, "周雨桐")
    async with home.db.transaction() as tx:
        options = await passkey.binding_options(tx, home, session, "何**")
        made = phone.make(options, home.settings.base_url, home.settings.host)
        assert (await passkey.bind(tx, home, other, made, "", PHONE_AGENT))[0].code == "identity.passkey_failed"
        unverified = Authenticator().make(
            await passkey.binding_options(tx, home, session, "何**"), home.settings.base_url, home.settings.host, verified=False
        )
        assert await passkey.bind(tx, home, session, unverified, "", PHONE_AGENT)
    import msgspec

    stale = msgspec.structs.replace(session, auth_time=session.auth_time - timedelta(minutes=20))
    with pytest.raises(Failure) as caught:
        async with home.db.transaction() as tx:
            await passkey.binding_options(tx, home, stale, "何**")
    assert caught.value.failure_code == failure("identity.fresh_needed").failure_code


async def test_a_key_of_another_account_is_not_bound_again_and_says_so(home: Node) -> None:
    phone, _ = await bound(home, "陈晓雨")
    other = await session_of(home, "周雨桐")
    async with home.db.transaction() as tx:
        made = phone.make(await passkey.binding_options(tx, home, other, "周**"), home.settings.base_url, home.settings.host)
        assert (await passkey.bind(tx, home, other, made, "", PHONE_AGENT))[0].code == "identity.passkey_failed"


async def test_removed_passkey_signs_in_nowhere(home: Node) -> None:
    phone, session = await bound(home, "罗桂兰")
    async with home.db.transaction() as tx:
        row = await tx.fetchval("SELECT id FROM authenticator WHERE subject = $1", session.subject)
        assert await passkey.remove(tx, home, session, row, PHONE_AGENT)
        told = await tx.fetchval("SELECT count(*) FROM message WHERE kind = 'identity.passkey_removed'")
        assert not await passkey.remove(tx, home, session, row, PHONE_AGENT), "gone already"
        assert await tx.fetchval("SELECT count(*) FROM message WHERE kind = 'identity.passkey_removed'") == told == 1, "told of what did not happen"
        refused = await passkey.sign_in_by(tx, home, phone.get(passkey.asking_options(home), home.settings.base_url, home.settings.host), BROWSER)
    assert not isinstance(refused, OpenedSession)


def answer_of(phone: Authenticator, home: Node) -> str:
    return phone.get(passkey.asking_options(home), home.settings.base_url, home.settings.host)


async def test_a_passkey_rises_when_its_session_passes_a_face_check(home: Node) -> None:
    """T-95: bound at level 2, it counts as 3 only after a session it opened also proved the living person."""
    phone, session = await bound(home, "周雨桐")
    async with home.db.transaction() as tx:
        opened = await passkey.sign_in_by(tx, home, answer_of(phone, home), BROWSER)
        assert isinstance(opened, OpenedSession)
        raised = await step_up.by_face(tx, home, opened.session, FaceResult("same", "高", "演示"), PHONE_AGENT)
        assert isinstance(raised, OpenedSession)
        again = await passkey.sign_in_by(tx, home, answer_of(phone, home), BROWSER)
    assert isinstance(again, OpenedSession)
    assert again.session.acr == 3
    assert session.acr == 2


async def test_one_tap_of_a_passkey_lifts_a_report_of_theft(home: Node) -> None:
    """identity.md 8: abuse of a report costs the owner one tap; a code stays at level 1 meanwhile."""
    phone, session = await bound(home, "何志远")
    async with home.db.transaction() as tx:
        await theft.restrict(tx, home, session.subject, "page")
        by_code = await sign_in.signed_in(tx, home, session.subject, "otp", ("otp", "sms"), BROWSER)
        assert by_code.session.acr == 1
        opened = await passkey.sign_in_by(tx, home, answer_of(phone, home), BROWSER)
        assert isinstance(opened, OpenedSession)
        assert opened.session.acr == 2
        assert await tx.fetchval("SELECT status FROM account WHERE subject = $1", session.subject) == "open"
        assert await tx.fetchval("SELECT lifted_by FROM theft_report WHERE subject = $1", session.subject) == "passkey"


async def test_binding_and_removing_are_told_on_every_channel(home: Node) -> None:
    _, session = await bound(home, "郑浩然")
    browser = Browser()
    texts = await browser.get(home, f"/demo/sms?phone={citizen('郑浩然').phone}")
    assert "加了一个通行密钥" in texts.body
    async with home.db.reading() as tx:
        assert await tx.fetchval("SELECT count(*) FROM message WHERE subject = $1 AND kind = 'identity.passkey_bound'", session.subject) == 1


async def test_a_passkey_of_a_visited_node_asks_the_home_first_and_is_level_one_without_it(home: Node) -> None:
    """identity.md 6.4: the account is elsewhere; while its home cannot be reached the passkey opens level 1, bannered, never more."""
    phone, session = await bound(home, "罗桂兰")
    async with home.db.transaction() as tx:  # as at a visited node: the person is known here, the account is not here
        await tx.execute("UPDATE person SET home = 'nowhere' WHERE subject = $1", session.subject)
        found = await passkey.sign_in_by(tx, home, answer_of(phone, home), BROWSER)
    assert isinstance(found, passkey.Visitor)
    browser = Browser()
    page = await browser.get(home, "/login?next=/levels")
    page = await browser.submit(home, page, "/login/passkey", credential=answer_of(phone, home))
    assert page.path == "/levels"
    assert "连不上，现在只能看和存草稿，不能提交" in page.body
    assert "现在是 1 级" in page.body
