"""Builders of 数据共享 tests: an invented register row, staff, a set of enrolled nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tongban import exchange, identity
from tongban.exchange import letters
from tongban.exchange.providers.records import made_up
from tongban.federation.tests.make import nation
from tongban.identity import letters as identity_letters
from tongban.identity.actions import keys, subjects
from tongban.identity.rules import home as rules
from tongban.kernel.actor import Actor, Assignment
from tongban.kernel.ids import uuid7

NAME = "陈小雨"  # 演示人
WANTED = ("name", "address", "sex")


def citizen(subject: str) -> Actor:
    return Actor(kind="citizen", subject=subject, acr=2, sid="s")


def steward(name: str, *actions: str, division: str = "000000") -> Actor:
    held = frozenset(actions or ("exchange.propose", "exchange.approve", "exchange.audit"))
    return Actor(
        kind="staff", subject=name, staff_id=name, unit="数据处", assignments=(Assignment("data_steward", held, division),)
    )


async def person_at(node: Any, *, known_to: str = "cn.education") -> str:
    """The subject of the first invented person of the demo register of whom the register of `known_to` has a record too."""
    await identity.set_up(node)
    async with node.db.reading() as tx:
        everybody = await tx.fetch("SELECT subject FROM register_entry ORDER BY subject")
    return next(one["subject"] for one in everybody if made_up(known_to, one["subject"]))


async def at_home(nodes: dict[str, Any], home: str, subject: str) -> None:
    """The person's account is at `home`: as the register has it, and as the home can show it."""
    async with nodes["mps"].db.transaction() as tx:
        await tx.execute("UPDATE register_entry SET home = $2 WHERE subject = $1", subject, home)
        key = await keys.signing_key(tx, nodes["mps"], "Ed25519")
        claims = rules.statement(subject, home, "mps", nodes["mps"].clock.now())
    async with nodes[home].db.transaction() as tx:
        await tx.execute(
            "INSERT INTO account (subject, id, phone, bi_phone, proof, proof_method, proof_at, opened_at)"
            " VALUES ($1, $2, $3, $4, 2, 'register', now(), now())",
            subject, uuid7(), nodes[home].cipher.seal("contact", "account.phone", subject, "13800000000"), b"0" * 16,
        )  # fmt: skip
        await subjects.put_statement(tx, nodes[home], subject, key.sign(claims, typ=rules.STATEMENT_TYP))


@asynccontextmanager
async def sharing(make_node: Any, *ids: str, **more: Any) -> AsyncIterator[dict[str, Any]]:
    async with nation(make_node, *ids, calls={**identity_letters.CALLS, **letters.CALLS}, **more) as nodes:
        for node in nodes.values():
            await exchange.set_up(node)
        yield nodes


async def ask(node: Any, subject: str, **more: Any) -> Any:
    return await exchange.fetch(
        node,
        citizen(subject),
        **{
            "resource": "mps.population", "key_subject": subject, "fields": WANTED, "purpose": "case.prefill",
            "case": "019aa5c0-0000-7000-8000-000000000009", **more,
        },
    )  # fmt: skip
