"""What a client is told of a person 给应用的信息: each claim from where it is kept, and the ledger line of the giving.

At home everything stands here, but for the registered address, which the register answers. At a visited node the full name
and the number come from the person's home by a recorded call; phone and address stay at home (identity.md 10).
"""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from tongban import consent, federation
from tongban.identity.actions.client_people import sub_for
from tongban.identity.model import Person, Session
from tongban.identity.queries import mandates, organisations, persons, staff
from tongban.identity.rules import clients as rules
from tongban.identity.rules import home as home_rules
from tongban.identity.rules import typed
from tongban.identity.rules.clients import Client
from tongban.kernel.db import Tx
from tongban.kernel.log import log
from tongban.kernel.node import Node

_FROM_NUMBER = {"birthdate", "gender", "age_over_14", "age_over_18", "age_over_60"}
_FROM_HOME = {"name", "doctype", "number"} | _FROM_NUMBER
_FROM_REGISTER = {"address", "address_formatted"}
_BASIS = {"none": "个人信息保护法第十三条第一款第三项", "notice": "个人信息保护法第十三条第一款第三项", "ask": "你本人同意（个人信息保护法第十三条第一款第一项）"}


class Known(msgspec.Struct, frozen=True):
    """What was fetched about a person before the claims are drawn; nothing of it is kept."""

    name: str = ""
    number: str = ""
    doctype: str = "111"
    division: str = ""
    address: str = ""


async def fetch(node: Node, client: Client, session: Session, claims: tuple[str, ...]) -> Known:
    """What has to be asked elsewhere for these claims: the home of a visitor, the register. No transaction may be open."""
    known, wanted = Known(), set(claims)
    if session.kind == "staff" or not session.subject.startswith("n"):
        return known
    if session.home is not None:
        if wanted & _FROM_HOME:
            body = {"v": 1, "sid": session.home_sid, "purpose": f"登录{client.name}"[:60], "about": f"client:{client.id}"}
            answer = await _call(node, session.home, "identity.person", body)
            known = msgspec.structs.replace(
                known, name=str(answer.get("name", "")), number=str(answer.get("number", "")), doctype=str(answer.get("doctype", "111"))
            )
        return known
    if wanted & _FROM_REGISTER:
        body = {"v": 1, "subject": session.subject, "why": f"登录{client.name}"[:60]}
        answer = await _call(node, home_rules.REGISTER_NODE, "population.attributes", body)
        known = msgspec.structs.replace(known, division=str(answer.get("division", "")), address=str(answer.get("address", "")))
    return known


async def _call(node: Node, to: str, service: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        return await federation.call(node, to, service, body, budget_ms=2000)
    except (federation.CallFailed, federation.CallRefused) as error:
        log("identity.claims_not_had", peer=to, service=service, error=type(error).__name__)
        return {}


async def values(
    tx: Tx, node: Node, client: Client, session: Session, claims: tuple[str, ...], *, acr: int, known: Known | None = None,
    person: Person | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The claims by name, only those that have a value; a claim above the level of the token is left out.

    `person` is given by who has looked already.
    """
    table, known = rules.claims(), known or Known()
    wanted = {one for one in claims if table[one].level <= acr and not table[one].free}
    if session.kind == "staff":
        member = await staff.staff_member(tx, node, session.subject)
        return {} if member is None or "name" not in wanted else {"name": member.name.reveal()}
    person = person or await persons.person(tx, node, session.subject)
    found = _personal(person, known, wanted, node.clock.today())
    if "kind" in wanted:
        found["kind"] = "企业" if (session.acting_for or "").startswith("o") else "个人"
    if session.acting_for:
        found |= await _acting(tx, node, client, session, wanted)
    return found


def _personal(person: Person | None, known: Known, wanted: set[str], today: date) -> dict[str, Any]:
    name = known.name or (person.name.reveal() if person is not None and person.name is not None else "")
    number = known.number or (person.number.reveal() if person is not None and person.number is not None else "")
    doctype = person.doctype if person is not None else known.doctype
    found: dict[str, Any] = {}
    if "name" in wanted:
        if name:
            found["name"] = name
        elif person is not None and person.name_masked is not None:
            found["name_masked"] = person.name_masked.reveal()
    if "phone_number" in wanted and person is not None and person.phone is not None:
        found |= {"phone_number": "+86" + person.phone.reveal(), "phone_number_verified": True}
    if "address" in wanted and known.division:
        found["address"] = {"region": known.division, "country": "CN"}
        if "address_formatted" in wanted and known.address:
            found["address"]["formatted"] = known.address
    if {"number", "doctype"} & wanted and number:
        found |= {"doctype": doctype, "number": number}
    return found | {name: value for name, value in _of_number(number, doctype, today).items() if name in wanted}


def _of_number(number: str, doctype: str, today: date) -> dict[str, Any]:
    """What the 18-digit number itself says: birth date, sex, ages (GB 11643-1999)."""
    if doctype != "111" or len(number) != 18:
        return {}
    born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return {
        "birthdate": born.isoformat(), "gender": "male" if int(number[16]) % 2 else "female",
        **{f"age_over_{years}": age >= years for years in (14, 18, 60)},
    }  # fmt: skip


async def _acting(tx: Tx, node: Node, client: Client, session: Session, wanted: set[str]) -> dict[str, Any]:
    """For whom the person acts now: an organisation by its public code, another person by this client's own identifier."""
    whom = str(session.acting_for)
    found: dict[str, Any] = {}
    mandate = await mandates.by_id(tx, node, session.mandate) if session.mandate else None
    if whom.startswith("o") and wanted & {"org_code", "org_name", "role"}:
        known = await organisations.organisation(tx, whom)
        found |= {"org_code": whom[2:].upper(), "org_name": known.name if known else "", "role": mandate.basis if mandate else ""}
    if mandate is not None and wanted & {"act", "mandate_id", "acts", "until"}:
        found |= {
            "act": {"sub": await sub_for(tx, node, client, session.subject), "for": await sub_for(tx, node, client, whom)},
            "mandate_id": mandate.id, "acts": list(mandate.acts), "until": int(mandate.until_at.timestamp()),
        }  # fmt: skip
    return found


async def masked(tx: Tx, node: Node, session: Session, claims: tuple[str, ...]) -> dict[str, str]:
    """The person's own values, masked, for the consent page: words of a claim to what would be given (identity.md 10)."""
    person = await persons.person(tx, node, session.subject)
    if person is None:
        return {}
    number = person.number.reveal() if person.number is not None else ""
    shown: dict[str, str] = {}
    for one in claims:
        words = rules.claims()[one].words
        if one == "name" and person.name_masked is not None:
            shown[words] = person.name_masked.reveal()
        elif one == "phone_number" and person.phone is not None:
            shown[words] = typed.masked_phone(person.phone.reveal())
        elif one == "number" and number:
            shown[words] = f"{number[:3]}****{number[-2:]}"
        elif one == "birthdate" and number:
            shown[words] = f"{number[6:10]}年**月**日"
        elif one == "kind":
            shown[words] = "企业" if (session.acting_for or "").startswith("o") else "个人"
    return shown


async def record(
    tx: Tx, node: Node, client: Client, subject: str, claims: tuple[str, ...], *, consent_id: str | None = None
) -> None:
    """The ledger line of what a client is told now 记台账: if it cannot be written, nothing is given."""
    kind = client.rules.consent
    await consent.record_access(tx, node, consent.Access(
        subject=subject, kind="share", who=client.name, fields=rules.words_of(claims) or ("登录标识",),
        purpose=client.purpose or "登录后在当地办事", source=node.id, receiver=client.id, basis=_BASIS[kind],
        about=f"client:{client.id}", consent_id=consent_id if kind == "ask" else None, side="owner",
    ))  # fmt: skip
