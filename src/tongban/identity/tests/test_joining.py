"""Joining by two, keys of listed models, a desk that locks (R-602, identity.md 7, 9)."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import struct
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tongban import identity
from tongban.identity.actions import joining, proposals, staff, staff_key
from tongban.identity.actions import sessions as session_verbs
from tongban.identity.actions.resolve import STAFF_COOKIE
from tongban.identity.model import OpenedSession, Proposal
from tongban.identity.queries import staff as queries
from tongban.identity.queries.sessions import by_id
from tongban.identity.tests import make_staff
from tongban.identity.tests.make_staff import NEW, code_of, officer
from tongban.identity.tests.test_passkey import Authenticator, b64u
from tongban.kernel.actor import Actor
from tongban.kernel.clock import SetClock
from tongban.kernel.errors import NotAllowed
from tongban.kernel.node import Node

node = make_staff.node


# ---- joining --------------------------------------------------------------------------------------------------------


async def joined(tx: Any, node: Node, who: joining.Newcomer = NEW) -> str:
    """Invited by one, confirmed by another: the joining code."""
    one, two = await officer(tx, node, "CQ-RS-01"), await officer(tx, node, "CQ-RS-02")
    made = await joining.invite(tx, node, one, who)
    assert isinstance(made, Proposal), made
    words = await proposals.approve(tx, node, two, made.id, made.digest)
    return "".join(char for char in words.split("，")[0] if char.isdigit())


async def test_one_invites_another_confirms_and_the_code_opens_nothing_but_a_key(tx: Any, node: Node) -> None:
    """identity.md 9: joined by invitation of a unit's administrator, confirmed by a second."""
    one = await officer(tx, node, "CQ-RS-01")
    made = await joining.invite(tx, node, one, NEW)
    assert isinstance(made, Proposal)
    assert await code_of(proposals.approve(tx, node, one, made.id, made.digest)) == "identity.four_eyes"
    assert await queries.staff_by_number(tx, node, NEW.staff_no) is None, "joined by one"
    with pytest.raises(NotAllowed):
        await proposals.approve(tx, node, await officer(tx, node, "CQ-YB-01"), made.id, made.digest)
    two = await officer(tx, node, "CQ-RS-02")
    assert await code_of(proposals.approve(tx, node, two, made.id, "sm3:other")) == "identity.proposal_changed"
    words = await proposals.approve(tx, node, two, made.id, made.digest)
    code = "".join(char for char in words.split("，")[0] if char.isdigit())
    assert await code_of(proposals.approve(tx, node, two, made.id, made.digest)) == "identity.proposal_gone"
    for wrong in ("000000000000", ""):
        assert isinstance(await joining.join(tx, node, NEW.staff_no, wrong, "Chrome"), tuple)
    opened = await joining.join(tx, node, NEW.staff_no, code, "Chrome")
    assert isinstance(opened, OpenedSession)
    assert opened.session.acr == 2
    assert isinstance(await joining.join(tx, node, NEW.staff_no, code, "Chrome"), tuple), "the code was good twice"


async def test_a_changed_proposal_is_not_carried_out(tx: Any, node: Node) -> None:
    """The digest of what is approved is pinned: a row edited in the database is noticed."""
    one, two = await officer(tx, node, "CQ-RS-01"), await officer(tx, node, "CQ-RS-02")
    made = await joining.invite(tx, node, one, NEW)
    assert isinstance(made, Proposal)
    other = msgspec_json({**json.loads(msgspec_json(NEW)), "staff_no": "CQ-XX-99"})
    await tx.execute("UPDATE proposal SET body = $2 WHERE id = $1", made.id, node.cipher.seal_bytes("staff", "proposal.body", made.id, other))
    assert await code_of(proposals.approve(tx, node, two, made.id, made.digest)) == "identity.proposal_changed"


def msgspec_json(value: Any) -> bytes:
    import msgspec

    return msgspec.json.encode(value)


async def test_the_host_gives_a_new_node_two_administrators_and_no_third(tx: Any, node: Node) -> None:
    """A node without the demo gets its first staff from its own command line; then two of them invite."""
    who = [joining.Newcomer(staff_no=f"JD-{n}", name="演示管理员", unit="节点管理岗（演示）", org="", division="500000", department="运维") for n in range(3)]
    codes = [await joining.first_administrator(tx, node, one) for one in who[:2]]
    assert all(isinstance(one, str) and len(one) == joining.CODE_DIGITS for one in codes)
    assert await code_of(joining.first_administrator(tx, node, who[2])) == "identity.four_eyes"
    wrong = await joining.first_administrator(tx, node, joining.Newcomer(staff_no="JD-0", name="", unit="", org="", division="5", department=""), "auditor")
    assert isinstance(wrong, tuple)
    assert {one.field for one in wrong} == {"staff_no", "name", "unit", "division"}


async def test_leaving_and_suspension_end_everything_at_once(tx: Any, node: Node) -> None:
    boss = await officer(tx, node, "CQ-RS-01")
    opened = await staff.by_certificate(tx, node, "CQ-YB-01", "Chrome")
    assert isinstance(opened, OpenedSession)
    subject = opened.session.subject
    with pytest.raises(NotAllowed):
        await joining.suspend(tx, node, await officer(tx, node, "CQ-YB-02"), subject, "no right")
    # the unit administrator's own unit only: another organisation of the same place is not theirs when limited to one
    await joining.suspend(tx, node, boss, subject, "手机丢了")
    ended = await by_id(tx, opened.session.id)
    assert ended is not None
    assert ended.revoked_at is not None, "session of a suspended clerk lives"
    assert isinstance(await staff.by_certificate(tx, node, "CQ-YB-01", "Chrome"), tuple), "suspended clerk signed in"
    lift = await joining.propose_for(tx, node, boss, "staff.restore", subject)
    await proposals.approve(tx, node, await officer(tx, node, "CQ-RS-02"), lift.id, lift.digest)
    assert isinstance(await staff.by_certificate(tx, node, "CQ-YB-01", "Chrome"), OpenedSession)
    await joining.leave(tx, node, boss, subject, "调走了")
    assert isinstance(await staff.by_certificate(tx, node, "CQ-YB-01", "Chrome"), tuple), "gone clerk signed in"
    assert not await queries.held_by(tx, subject)


# ---- keys and sessions ----------------------------------------------------------------------------------------------


class ListedKey(Authenticator):
    """A key with a maker: packed attestation by a certificate under the maker's root."""

    aaguid = bytes(range(16))

    def __init__(self) -> None:
        super().__init__()
        self.root_key, self.leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self.root = self._certificate("演示密钥根", "演示密钥根", self.root_key, self.root_key, ca=True)
        self.leaf = self._certificate("演示密钥 01", "演示密钥根", self.leaf_key, self.root_key, ca=False)

    def _certificate(self, subject: str, issuer: str, key: Any, by: Any, *, ca: bool) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)

        def name(text: str) -> x509.Name:
            return x509.Name([
                x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "演示"),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Authenticator Attestation"), x509.NameAttribute(NameOID.COMMON_NAME, text),
            ])  # fmt: skip

        return (
            x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True).sign(by, hashes.SHA256())
        )  # fmt: skip

    def make(self, options: str, origin: str, rp: str, *, verified: bool = True, chain: bool = True) -> str:
        client = json.dumps({"type": "webauthn.create", "challenge": json.loads(options)["challenge"], "origin": origin}).encode()
        numbers = self.key.public_key().public_numbers()
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        flags = 0x41 | (0x04 if verified else 0)
        data = hashlib.sha256(rp.encode()).digest() + bytes([flags]) + struct.pack(">I", 1) + self.aaguid + struct.pack(">H", len(self.id)) + self.id + cose
        signed = data + hashlib.sha256(client).digest()
        statement: dict[str, Any] = {"alg": -7, "sig": (self.leaf_key if chain else self.key).sign(signed, ec.ECDSA(hashes.SHA256()))}
        if chain:
            statement["x5c"] = [self.leaf.public_bytes(serialization.Encoding.DER)]
        attestation = cbor2.dumps({"fmt": "packed", "attStmt": statement, "authData": data})
        return self._answer({"clientDataJSON": b64u(client), "attestationObject": b64u(attestation)})


async def test_only_keys_of_the_list_are_bound_on_a_real_node(make_node: Callable[..., Awaitable[Node]], set_clock: SetClock) -> None:
    """identity.md 3: staff keys with attestation `direct` against an allow-list that is data of the operator."""
    real = await make_node("500000", clock=set_clock, demo=False)
    listed, stranger = ListedKey(), ListedKey()
    root = listed.root.public_bytes(serialization.Encoding.PEM).decode()
    (real.settings.data_dir / staff_key.OWN).write_text(
        f'[[model]]\nname = "演示型号"\naaguid = "00010203-0405-0607-0809-0a0b0c0d0e0f"\nsource = "test"\nroots = ["""{root}"""]\n', "utf-8"
    )
    who = joining.Newcomer(staff_no="JD-1", name="演示管理员", unit="节点管理岗（演示）", org="", division="500000", department="运维")
    async with real.db.transaction() as tx:
        code = await joining.first_administrator(tx, real, who)
        assert isinstance(code, str)
        opened = await joining.join(tx, real, "JD-1", code, "Chrome")
    assert isinstance(opened, OpenedSession)
    actor = await identity.resolve(real, {STAFF_COOKIE: opened.cookie}, path="/staff/key")
    assert actor.kind == "staff"
    assert not actor.assignments, "a joining code gave rights"
    origin, rp = real.settings.base_url, real.settings.host

    async def tried(key: Any, **how: Any) -> tuple[Any, ...]:
        async with real.db.transaction() as tx:
            options = await staff_key.options(tx, real, opened.session, "JD-1")
            return await staff_key.bind(tx, real, opened.session, key.make(options, origin, rp, **how), "蓝色密钥", "Chrome")

    for key, how in ((Authenticator(), {}), (stranger, {}), (listed, {"chain": False}), (listed, {"verified": False})):
        assert (await tried(key, **how))[0].code == "identity.key_not_listed", f"unlisted key bound: {type(key).__name__} {how}"
    assert await tried(listed) == ()
    async with real.db.transaction() as tx:
        ended = await by_id(tx, opened.session.id)
        assert ended is not None
        assert ended.reason == "joined"
        from tongban.identity.actions import passkey

        member = await staff.by_passkey(tx, real, listed.get(passkey.asking_options(real), origin, rp), "Chrome")
    assert isinstance(member, OpenedSession)
    assert member.session.acr == 3
    actor = await identity.resolve(real, {STAFF_COOKIE: member.cookie}, path="/desk")
    assert actor.may("identity.assign", division="500103", org="any")


async def test_a_desk_left_alone_locks_and_goes_on_with_the_same_person(node: Node) -> None:
    """identity.md 7: 15 minutes lock, 30 minutes end, 10 hours in all; the session is the same after the key."""
    clock: Any = node.clock

    async def at_desk(cookie: str) -> Actor:
        return await identity.resolve(node, {STAFF_COOKIE: cookie}, path="/desk")

    async with node.db.transaction() as tx:
        opened = await staff.by_certificate(tx, node, "CQ-YB-02", "Chrome")
    assert isinstance(opened, OpenedSession)
    assert (await at_desk(opened.cookie)).kind == "staff"
    clock.move(timedelta(minutes=16))
    node.bell.ring(session_verbs.BELL)
    assert (await at_desk(opened.cookie)).kind == "nobody", "an unlocked desk after 15 minutes"
    async with node.db.transaction() as tx:
        locked = await by_id(tx, opened.session.id)
        assert locked is not None
        stranger = await staff.by_certificate(tx, node, "CQ-YB-01", "Chrome")
        assert isinstance(stranger, OpenedSession)
        assert await staff.unlock(tx, node, locked, stranger, "Chrome") is None, "unlocked by somebody else"
        again = await staff.by_certificate(tx, node, "CQ-YB-02", "Chrome")
        assert isinstance(again, OpenedSession)
        unlocked = await staff.unlock(tx, node, locked, again, "Chrome")
    assert unlocked is not None
    assert (unlocked.session.id, unlocked.session.ends_at) == (opened.session.id, opened.session.ends_at), "another session"
    assert (await at_desk(unlocked.cookie)).kind == "staff"
    clock.move(timedelta(minutes=31))
    node.bell.ring(session_verbs.BELL)
    assert (await at_desk(unlocked.cookie)).kind == "nobody"
