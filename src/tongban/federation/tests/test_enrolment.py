"""Coming in: both sides prove the code, two officers, one use (federation.md 2, threat N-8)."""

from __future__ import annotations

import asyncio

import pytest

from tongban import federation
from tongban.federation import letters
from tongban.federation.rules import enrolment as rules
from tongban.federation.tests.make import _activate, enrol, make_member, officer, serving
from tongban.kernel.actor import NOBODY
from tongban.kernel.errors import NotAllowed


@pytest.fixture(scope="module")
async def hub(make_node):
    federation.register(letters.LETTERS, letters.CALLS)
    node = await make_member(make_node, "cn")
    await federation.make_hub(node)
    async with serving(node):
        yield node


def invited(node_id):
    return federation.Invited(
        node=node_id, name="演示省", role="province", divisions=(node_id[:2],), organisation="11100000000013338W"
    )


async def invite(hub, node_id):
    async with hub.db.transaction() as tx:
        return await federation.invite(tx, hub, officer("a"), invited(node_id))


async def ask(hub, member, code, fingerprint, seconds=20):
    return await federation.join(
        member, hub.settings.base_url, hub.settings.connect, code, fingerprint, seconds=seconds
    )


def test_codes_are_read_as_people_type_them():
    code = rules.new_code()
    assert rules.code_bytes(code) == rules.code_bytes(code.lower().replace("-", " "))
    assert rules.code_bytes(code.replace("0", "O").replace("1", "l")) == rules.code_bytes(code)
    assert len(code.replace("-", "")) == 26
    with pytest.raises(ValueError):
        rules.code_bytes(code[:-1])


async def test_make_hub_twice_is_one_hub(hub):
    assert await federation.make_hub(hub) == await federation.make_hub(hub)


async def test_a_wrong_code_is_refused_and_five_kill_the_invitation(hub, make_node):
    member = await make_member(make_node, "530000")
    real = await invite(hub, "530000")
    message = {
        "v": 1, "node": "530000", "invitation": real.id, "nonce": "A" * 22, "csr_sign": "AAAA", "csr_enc": "AAAA",
        "base_urls": [member.settings.base_url], "software": "x", "at": 1, "proof": "A" * 43,
    }  # fmt: skip
    from tongban.federation.actions.enrol import take_application

    for _ in range(5):
        with pytest.raises(federation.EnrolmentRefused, match="wrong_code"):
            await take_application(hub, message)
    with pytest.raises(federation.EnrolmentRefused, match="expired"):
        await ask(hub, member, real.code, real.root_fingerprint)


async def test_a_code_of_nobody_is_refused(hub, make_node):
    member = await make_member(make_node, "540000")
    with pytest.raises(federation.EnrolmentRefused, match="wrong_code"):
        await ask(hub, member, rules.new_code(), await federation.make_hub(hub))


async def test_another_root_than_told_is_not_believed(hub, make_node):
    member = await make_member(make_node, "610000")
    invitation = await invite(hub, "610000")
    with pytest.raises(federation.EnrolmentRefused, match="wrong_root"):
        await ask(hub, member, invitation.code, "00" * 32)
    async with member.db.reading() as tx:
        assert await federation.own_status(tx, "610000") == "asked"
        assert await tx.fetchval("SELECT count(*) FROM directory_anchor") == 0


async def test_the_inviter_may_not_approve_and_both_sides_show_the_same_digits(hub, make_node):
    member = await make_member(make_node, "620000")
    invitation = await invite(hub, "620000")
    with pytest.raises(federation.CallFailed):
        await ask(hub, member, invitation.code, invitation.root_fingerprint, seconds=0.2)
    async with hub.db.transaction() as tx:
        waiting = next(one for one in await federation.enrolments(tx, status="pending") if one.node == "620000")
        with pytest.raises(federation.EnrolmentRefused, match="same_officer"):
            await federation.approve(tx, hub, officer("a"), waiting.id)
        with pytest.raises(NotAllowed):
            await federation.approve(tx, hub, officer("b").__class__(kind="staff", staff_id="c"), waiting.id)
        with pytest.raises(Exception, match="staff_needed"):
            await federation.approve(tx, hub, NOBODY, waiting.id)
        await federation.refuse(tx, hub, officer("b"), waiting.id, "演示：电话核对不一致")
    async with member.db.reading() as tx:
        assert await federation.own_digits(tx) == waiting.digits
        assert len(waiting.digits) == 8
    with pytest.raises(federation.EnrolmentRefused, match="refused"):
        await ask(hub, member, invitation.code, invitation.root_fingerprint)


async def test_a_code_is_used_once(hub, make_node):
    first, thief = await make_member(make_node, "630000"), await make_member(make_node, "630000")
    invitation = await invite(hub, "630000")
    for member, expected in ((first, federation.CallFailed), (thief, federation.EnrolmentRefused)):
        with pytest.raises(expected):
            await ask(hub, member, invitation.code, invitation.root_fingerprint, seconds=0.2)


async def test_a_member_joins_once_and_again_is_at_once(hub, make_node):
    member = await make_member(make_node, "640000")
    async with serving(member):
        await enrol(hub, member)
        found = await federation.present(member)
        assert found.node("640000").status == "active"
        async with asyncio.timeout(1):
            assert await federation.join(member, "http://nowhere.localhost", None, "", "") == found
    async with hub.db.reading() as tx:
        assert await tx.fetchval("SELECT code_sealed FROM node_invitation WHERE node = '640000'") is None


async def test_before_it_is_a_member_a_node_answers_sanely(make_node):
    member = await make_member(make_node, "650000")
    async with serving(member) as node:
        for method, path, expected in (
            ("GET", "/federation/directory", 404),
            ("GET", "/federation/letters", 401),
            ("POST", "/federation/call/a.b", 401),
        ):
            status, headers, _ = await node.http.request(
                method,
                node.settings.base_url + path,
                headers={"tongban-to": "650000"},
                body=b"{}" if method == "POST" else None,
            )
            assert status in (expected, 403)
            assert headers["content-type"].startswith("application/problem+json")
    with pytest.raises(federation.NotMember):
        await federation.call(member, "cn", "federation.probe", {})


async def test_a_wrong_root_tried_first_does_not_spoil_the_right_one(hub, make_node):
    """The hub has taken the application and its officers may have decided, when the candidate types the fingerprint again."""
    member = await make_member(make_node, "620000")
    real = await invite(hub, "620000")
    wrong = "0000 " * 16
    with pytest.raises(federation.EnrolmentRefused, match="wrong_root"):
        await ask(hub, member, real.code, wrong)
    async with hub.db.transaction() as tx:
        asked = [one for one in await federation.enrolments(tx, status="pending") if one.node == "620000"]
        await federation.approve(tx, hub, officer("b"), asked[0].id)
    with pytest.raises(federation.EnrolmentRefused, match="wrong_root"):
        await ask(hub, member, real.code, wrong)
    async with serving(member):
        activating = asyncio.create_task(_activate(hub))
        try:
            found = await ask(hub, member, real.code, real.root_fingerprint)
        finally:
            activating.cancel()
            await asyncio.gather(activating, return_exceptions=True)
    assert found.node("620000").status == "active"
    other = await make_member(make_node, "620000")
    with pytest.raises(federation.EnrolmentRefused, match="spent"):
        await ask(hub, other, real.code, real.root_fingerprint)
