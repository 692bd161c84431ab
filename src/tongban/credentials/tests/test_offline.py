"""Showing without network on one real node: entries for a phone's keys, their codes, marks of ended cards (R-404, D-5, T-51 … T-55, T-84)."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import cbor2
import pytest

from tongban import credentials, federation, seals
from tongban.credentials.actions import checking, ended, verify
from tongban.credentials.actions import offline as verbs
from tongban.credentials.errors import CardGone
from tongban.credentials.model import Shown, Unreadable
from tongban.credentials.queries.keys import key_finder
from tongban.credentials.rules import base45, marks, offline, presentation
from tongban.credentials.tests import make
from tongban.credentials.tests.phone import Phone, parts, signature_holds
from tongban.kernel.clock import SetClock
from tongban.kernel.gm import hmac_sm3

AT = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
async def node(make_node):
    made = await make_node("500000", clock=SetClock(AT))
    await seals.set_up(made)
    await credentials.set_up(made)
    return made


class Set:
    """A card whose entries lie in a phone, and a bank's window."""

    def __init__(self, node, card, window, phone, entries) -> None:
        self.node, self.card, self.window, self.phone, self.entries = node, card, window, phone, entries

    def code(self, which: int = 0, **more) -> str:
        return self.phone.code(self.entries[which].cose, int(self.node.clock.now().timestamp()), which, **more)

    async def look(self, text: str, window: object = ...):
        return await verify.verify_presentation(self.node, text, self.window if window is ... else window)


@pytest.fixture
async def kept(node) -> Set:
    node.clock.move(timedelta(minutes=2))
    phone = Phone()
    async with node.db.transaction() as tx:
        card = await make.licence(tx, node)
        window = await make.window(tx, node)
        entries = await verbs.prepare(tx, node, make.citizen(), card.id, "", phone.points)
    return Set(node, card, window, phone, entries)


async def read(node, text: str, seconds: float = 0):
    return presentation.read(text, await key_finder(node), node.clock.now().timestamp() + seconds)


async def why(node, text: str, seconds: float = 0) -> str | None:
    """Why a text is not taken, None when it is."""
    found = await read(node, text, seconds)
    return found.reason if isinstance(found, Unreadable) else None


async def test_an_offline_code_is_valid_once_and_the_holder_sees_it(node, kept):
    """R-404: hours later, without the home's hand, the phone shows; the verdict says so; a second look is refused."""
    node.clock.move(timedelta(hours=5))
    async with node.db.transaction() as tx:
        await ended.publish(tx, node)
    text = kept.code()
    assert signature_holds(text)
    found = await kept.look(text)
    assert (found.kind, found.offline) == ("valid", True), found
    assert found.fields == {"company_name": make.COMPANY["company_name"], "credit_code": kept.card.number}
    assert any("离线出示" in one.value for one in found.lines)
    assert (await kept.look(text)).code == "used"
    async with node.db.transaction() as tx:
        other = await make.window(tx, node, "另一家演示银行")
    assert (await kept.look(text, other)).code == "used", "the home heard of it"
    async with node.db.reading() as tx:
        views = await credentials.views(tx, node, make.SUBJECT, kept.card.id)
    assert [(one.unit, one.way, one.result) for one in views] == [("另一家演示银行", "phone", "used"), ("演示银行", "phone", "valid")]


@pytest.mark.parametrize(("seconds", "reason"), [(-31, "not_yet"), (0, None), (60, None), (61, "too_old"), (91, "too_old")])
async def test_a_screenshot_of_an_offline_code_lives_sixty_seconds(node, kept, seconds, reason):
    """T-51: at 61 s the picture is worth nothing, though its entry lives on."""
    assert await why(node, kept.code(), seconds) == reason


async def test_an_entry_lives_a_day_and_is_nothing_without_its_phone(node, kept):
    """D-5: 24 hours at most; the bare entry, another phone's signature, another entry's signature are refused (T-52)."""
    entry, now = kept.entries[0].cose, int(node.clock.now().timestamp())
    assert isinstance(await read(node, "GZ1:" + base45.encode(entry)), Unreadable)
    assert await why(node, Phone().code(entry, now)) == "bad_signature"
    assert await why(node, kept.phone.code(entry, now, key=1)) == "bad_signature"
    _, said, signature = parts(kept.code(0))
    swapped = "GZ1:" + base45.encode(cbor2.dumps([kept.entries[1].cose, said, signature]))
    assert await why(node, swapped) == "bad_signature"
    assert await why(node, kept.phone.code(entry, now - 3600)) == "too_old"
    day = 24 * 3600
    assert isinstance(await read(node, kept.phone.code(entry, now + day - 5), day - 1), Shown)
    assert await why(node, kept.phone.code(entry, now + day), day + 1) == "too_old"


async def test_no_changed_bit_is_taken(node, kept):
    """T-52: 600 flips over the whole code, entry and phone part alike."""
    raw = base45.decode(kept.code()[4:])
    find, now = await key_finder(node), node.clock.now().timestamp()
    assert isinstance(presentation.read("GZ1:" + base45.encode(raw), find, now), Shown)
    for place in random.Random(11).sample(range(len(raw) * 8), 600):
        changed = bytearray(raw)
        changed[place // 8] ^= 1 << place % 8
        assert isinstance(presentation.read("GZ1:" + base45.encode(bytes(changed)), find, now), Unreadable), place


async def test_two_offline_showings_have_nothing_in_common_but_what_they_show(node, kept):
    """T-54: opaque id, key of the phone, mark, numbers: all different; no identifier, no place in a status list."""
    first, second = (cbor2.loads(cbor2.loads(parts(kept.code(which))[0])[2]) for which in (0, 1))
    one, two = first[-65537], second[-65537]
    for label in (5, 11, 12):
        assert one[label] != two[label]
    assert first[7] != second[7]
    whole = repr(first)
    assert kept.card.identifier not in whole
    assert str(kept.card.id) not in whole
    assert make.SUBJECT not in whole
    assert set(one) == {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}


async def test_stopped_entries_are_refused_where_the_home_is_asked(node, kept):
    async with node.db.transaction() as tx:
        assert await verbs.stop(tx, make.citizen(), kept.card.id) == 2
    assert (await kept.look(kept.code())).code == "stopped"


async def test_new_entries_end_the_old_and_strangers_get_none(node, kept):
    phone = Phone(1)
    async with node.db.transaction() as tx:
        await verbs.prepare(tx, node, make.citizen(), kept.card.id, "", phone.points)
    assert (await kept.look(kept.code())).code == "stopped"
    async with node.db.transaction() as tx:
        with pytest.raises(CardGone):
            await verbs.prepare(tx, node, make.citizen("p1stranger"), kept.card.id, "", phone.points)


@pytest.mark.parametrize("packed", [b"", b"\x02" * 32, b"\x05" + b"\x01" * 32, b"\x02" + b"\xff" * 32])
def test_keys_that_no_phone_makes_are_refused(packed):
    with pytest.raises(ValueError, match=r".*"):
        offline.read_keys(packed)


def test_the_same_key_twice_or_too_many_are_refused():
    point = Phone(1).points[0]
    assert offline.read_keys(point) == (point,)
    with pytest.raises(ValueError, match="twice"):
        offline.read_keys(point * 2)
    with pytest.raises(ValueError, match="number of keys"):
        offline.read_keys(b"".join(Phone(13).points))


async def test_a_card_that_ended_is_known_by_its_mark_alone(node, kept, monkeypatch):
    """T-55, T-84: the home cannot be asked, the code says valid; the issuer's newer marks say revoked. Nobody was called."""

    async def away(*_args, **_more):
        return None

    async def never(*_args, **_more):
        raise AssertionError("issuer called")

    text, other = kept.code(0), kept.code(1)
    monkeypatch.setattr(checking, "_lives_here", lambda _node, _shown: False)
    monkeypatch.setattr(checking, "_ask_one", away)
    monkeypatch.setattr(federation, "call", never)
    assert (await kept.look(other)).kind == "valid"
    async with node.db.transaction() as tx:
        await credentials.revoke(tx, node, make.staff("head"), make.SUBJECT, kept.card.id, "虚假登记")
        node.clock.move(timedelta(seconds=10))
        assert await ended.publish(tx, node)
        assert not await ended.publish(tx, node), "nothing changed since"
    found = await kept.look(text)
    assert (found.kind, found.code) == ("revoked", "revoked"), found


async def test_marks_tell_nothing_of_living_cards_and_change_by_day(node, kept):
    """T-54: the list holds keys of ended cards only, other ones each day, so a resumed card is a stranger again."""
    async with node.db.transaction() as tx:
        signature = bytes(await tx.fetchval("SELECT data_signature FROM credential WHERE id = $1", kept.card.id))
        await ended.publish(tx, node)
        body = bytes(await tx.fetchval("SELECT body FROM credential_ended WHERE issuer = $1", node.id))
    found = cbor2.loads(cbor2.loads(kept.entries[0].cose)[2])
    now, opaque, tag = found[6], found[-65537][5], found[-65537][11]
    assert tag == hmac_sm3(marks.day_key(signature, now // 86400), opaque)[:8]
    assert marks.day_key(signature, now // 86400) != marks.day_key(signature, now // 86400 + 1)
    listed = marks.read(body)
    assert marks.state_of(listed, opaque, tag, datetime.fromtimestamp(now, UTC)) == "valid"
    with_it = marks.read(marks.body(node.id, now * 1000, [(signature, "suspended"), (b"x" * 64, "revoked")]))
    assert marks.state_of(with_it, opaque, tag, datetime.fromtimestamp(now, UTC)) == "suspended"
    assert marks.state_of(with_it, opaque, tag, datetime.fromtimestamp(now + 86400, UTC)) == "valid"
    for wrong in (b"[]", b'{"v":1}', b'{"v":1,"issuer":"5","at":1,"days":{"1":"AA"}}', b"{"):
        with pytest.raises(ValueError, match=r".*"):
            marks.read(wrong)


async def test_a_look_told_later_is_written_down_once(node, kept):
    """A verifier without network tells later; the holder sees it with its own time; told twice is a refused second look."""
    text = kept.code()
    shown = await read(node, text)
    then = node.clock.now()
    node.clock.move(timedelta(hours=30))
    for _ in range(2):
        assert await verify.told_later(
            node, kept.window, home=node.id, opaque=shown.opaque, jti=shown.jti, at=then, fields=("名称", "法定代表人")
        )
    async with node.db.reading() as tx:
        views = await credentials.views(tx, node, make.SUBJECT, kept.card.id)
    assert [(one.way, one.result, one.fields) for one in views] == [("both", "used", ()), ("both", "valid", ("名称",))], "only what the code carried"
    assert views[-1].at == then
