"""Wallets gathered by the clock (R-403): whoever came lately at once, a great many others a page and a few letters at a time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from tongban import credentials, federation, identity, seals
from tongban.credentials.actions import gather
from tongban.credentials.providers import DemoRegister
from tongban.credentials.queries import types
from tongban.credentials.queries.credentials import credential as find
from tongban.credentials.rules.showing import state_word
from tongban.credentials.tests import make
from tongban.kernel.clock import SetClock
from tongban.kernel.gm import Personal
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

AT = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)


async def opened(node: Node, subjects: list[str], *, days: int = 0) -> None:
    async with node.db.transaction() as tx:
        await tx.executemany(
            "INSERT INTO account (subject, id, proof, proof_method, proof_at, opened_at) VALUES ($1, $2, 2, 'register', $3, $3)",
            [(one, uuid7(), node.clock.now() - timedelta(days=days)) for one in subjects],
        )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The subjects a letter was written for, in order."""
    found: list[str] = []

    async def present(_node: Node) -> str:
        return "here"

    async def send(_tx: object, _node: Node, *, body: dict[str, str], **_more: object) -> None:
        found.append(body["subject"])

    monkeypatch.setattr(federation, "present", present)
    monkeypatch.setattr(federation, "send", send)
    return found


async def test_a_crowd_is_gathered_for_without_keeping_a_newcomer_waiting(make_node, asked: list[str]) -> None:
    """R-403: 45 old accounts take three rounds of twenty letters at most; somebody who comes meanwhile is asked for in the next."""
    node = await make_node("500000", clock=SetClock(AT))
    crowd = [f"n1crowd{number:025d}" for number in range(45)]
    await opened(node, crowd, days=3)
    await gather.gather(node)
    assert len(asked) == 20
    await opened(node, ["n1zzz-newcomer"])
    await gather.gather(node)
    assert asked[20] == "n1zzz-newcomer"
    for _ in range(3):
        await gather.gather(node)
    assert sorted(asked) == sorted([*crowd, "n1zzz-newcomer"]), "each once"


async def test_a_round_begins_again_after_its_pause(make_node, asked: list[str]) -> None:
    """Whatever was missed, an account moved in with an old date, is found by the next round."""
    clock = SetClock(AT)
    node = await make_node("500000", clock=clock)
    await gather.gather(node)
    await opened(node, ["n1missed"], days=9)
    await gather.gather(node)
    assert asked == [], "the round has ended"
    clock.move(timedelta(hours=1))
    await gather.gather(node)
    assert asked == ["n1missed"]


async def test_what_a_register_issues_says_its_own_days(make_node, monkeypatch: pytest.MonkeyPatch) -> None:
    """R-403: since when a number stands in the register is not since when the card is good (有效期起)."""
    node = await make_node("mps", clock=SetClock(AT))
    await seals.set_up(node)
    await credentials.set_up(node)
    known = SimpleNamespace(
        **{key: Personal(make.PERSON[key]) for key in ("name", "number", "sex", "address")}, nationality=Personal("汉族"),
        birth=date.fromisoformat(make.PERSON["birth"]), since=date(2010, 1, 1),
    )  # fmt: skip

    async def attributes(*_: object) -> SimpleNamespace:
        return known

    monkeypatch.setattr(identity, "population_attributes", attributes)
    kind = next(one for one in types.types(node) if one.on_request == "mps")
    async with node.db.transaction() as tx:
        await gather.take_request(tx, node, "mps", {"subject": make.SUBJECT, "type": kind.code})
        issued = await tx.fetchval("SELECT id FROM credential WHERE subject = $1", make.SUBJECT)
        card = await find(tx, node, make.SUBJECT, str(issued))
    assert card is not None
    assert card.data["valid_from"].reveal() == card.valid_from.isoformat() == "2026-11-18"


@pytest.mark.parametrize("at", [AT, datetime(2028, 2, 29, 15, 59, 59, tzinfo=UTC), datetime(2031, 12, 31, 16, 0, tzinfo=UTC)])
async def test_a_licence_of_the_demo_runs_out_soon_whenever_it_is_asked_for(at):
    """On purpose, so that the wallet has one to show: the day is counted, not written down."""
    clock = SetClock(at)
    held = await DemoRegister("mps", clock=clock).entries("50019919880130033X", "何志远")
    (driving,) = [one for one in held if one.type == "机动车驾驶证"]
    assert state_word("valid", date.fromisoformat(driving.data["valid_until"]), clock.today()) == "快到期"
