"""Invented people of a town and whether they are found, for the tests of the index key's turn 演示居民."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from tongban.identity.actions import introduce, sign_in, subjects
from tongban.identity.actions.closing import staff_too
from tongban.identity.providers.register import DemoRegister, NewEntry, enter
from tongban.identity.providers.sms import DemoSms, demo_messages
from tongban.identity.queries import persons
from tongban.identity.queries.staff import linked_subject
from tongban.kernel.ids import IdNumber, uuid7
from tongban.kernel.node import Node
from tongban.kernel.tests.make_holdings import put

PEOPLE = 12
BROWSER = sign_in.Browser("Chrome", "10.0.0.1")
HALF_A_MINUTE, DAYS = timedelta(seconds=31), timedelta(days=3)


def number_of(one: int) -> str:
    return IdNumber.make("500103", date(1960, 1, 1) + timedelta(days=one), one % 1000).value


def phone_of(one: int) -> str:
    return f"1390000{one:04d}"


def subject_of(one: int) -> str:
    return f"n1{one:032x}"


def old_of(one: int) -> str:
    return f"n1{one + 10**6:032x}"


def clerk_of(one: int) -> str:
    return f"s{one:026x}"


async def resident(tx: Any, node: Node, one: int) -> None:
    """Everything identity finds somebody by: account, person, register, home index, an old pseudonym, and every third is a clerk too."""
    subject, number, phone = subject_of(one), number_of(one), phone_of(one)
    await subjects.put_person(tx, node, subject, home=node.id, proof=3, name="演示人", number=number, photo_held=True, matched=True)
    await tx.execute(
        "INSERT INTO account (subject, id, phone, bi_phone, proof, proof_method, proof_at, opened_at) VALUES ($1, $2, $3, $4, 3, 'register', $5, $5)",
        subject, uuid7(), node.cipher.seal("contact", "account.phone", subject, phone), persons.phone_index(node, phone), node.clock.now(),
    )  # fmt: skip
    await enter(tx, node, NewEntry(
        name="演示人", number=number, sex="1", born=date(1960, 1, 1), nation="汉族", address="演示路", division="500103",
    ))  # fmt: skip
    await introduce.remember(tx, node, "500000", number=number, phone=phone)
    await subjects.alias(tx, node, old_of(one), subject)
    await DemoSms().send(tx, node, phone, f"演示短信 {one}")
    if one % 3 == 0:
        clerk, kept = clerk_of(one), one % 2 == 0
        sealed = node.cipher.seal("staff", "staff.citizen_number", clerk, number)
        await put(tx, "staff", {
            "subject": clerk, "staff_no": f"YS-{one}", "bi_citizen": persons.number_index(node, number), "citizen_number": sealed if kept else None,
        })  # fmt: skip


async def lost(tx: Any, node: Node, one: int, *, texts: bool = True) -> list[str]:
    """What of somebody is not found now. Each line is a lookup of the product."""
    subject, number, phone = subject_of(one), number_of(one), phone_of(one)
    known = await persons.person_by_number(tx, node, number)
    by_phone = await sign_in._account(tx, node, "phone", phone, BROWSER)
    by_number = await sign_in._account(tx, node, "number", number, BROWSER)
    written = await DemoRegister().look(tx, node, doctype="111", number=number, name="演示人")
    address = f"10.{one}.{uuid7()[-2:]}.1"
    told = [await introduce.introduce(tx, node, who, visited="510000", address=address, browser=uuid7()) for who in (number, phone)]
    found = {
        "person by number": known is not None and known.subject == subject,
        "account by phone": by_phone is not None and by_phone["subject"] == subject,
        "account by number": by_number is not None and by_number["subject"] == subject,
        "accounts by numbers": await persons.accounts_by_number(tx, node, [number]) == [subject],
        "register": written is not None and written.name_agrees,
        "home by number": told[0].home == "500000",
        "home by phone": told[1].home == "500000",
        "old pseudonym": await persons.current_subject(tx, node, old_of(one)) == subject,
        "old pseudonyms": await persons.current_subjects(tx, node, [old_of(one), subject]) == {old_of(one): subject, subject: subject},
        "text message": not texts or [text for _, text in await demo_messages(tx, node, phone)] == [f"演示短信 {one}"],
        "clerk": one % 3 > 0 or await linked_subject(tx, node, clerk_of(one)) == subject,
        "staff too": one % 3 > 0 or await staff_too(tx, node, subject),
    }
    return [name for name, good in found.items() if not good]


async def all_lost(node: Node, **more: Any) -> dict[int, list[str]]:
    async with node.db.transaction() as tx:
        return {one: gone for one in range(PEOPLE) if (gone := await lost(tx, node, one, **more))}


async def under(node: Node, version: int) -> dict[str, int]:
    """Rows under a version, of every column whose comment says blind index: asked of the database, not of the rooms."""
    async with node.db.reading() as tx:
        columns = await tx.fetch(
            "SELECT c.relname AS t, a.attname AS n FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relkind = 'r' AND a.attnum > 0 AND col_description(c.oid, a.attnum) ~ 'blind index'"
        )
        return {
            f"{row['t']}.{row['n']}": count for row in columns
            if (count := await tx.fetchval(f"SELECT count(*) FROM {row['t']} WHERE mark_version({row['n']}) = $1", version))
        }  # fmt: skip
