"""Report of theft 手机丢了 (identity.md 8): the account can only look for 24 hours; any passkey lifts it, a hall too.

Anybody who knows name and number can report, so a report costs the owner one tap at most: it ends sessions and lowers the
level, it deletes nothing, and only a few a week are taken from the web; none for a month after a hall saw the owner and
lifted one. Who used those up for the owner gains nothing: 12345 and a hall take more.
"""

from __future__ import annotations

from datetime import timedelta

from tongban import consent, notifications
from tongban.identity.actions import ending, notices, throttle
from tongban.identity.errors import failure, refusal
from tongban.identity.model import Person
from tongban.identity.providers import sms
from tongban.identity.queries.persons import person_by_number, phone_of
from tongban.identity.rules import throttle as limits
from tongban.identity.rules import typed
from tongban.identity.rules.emergency import LIMITS
from tongban.identity.rules.factors import FACTORS
from tongban.identity.rules.roles import holds
from tongban.kernel.actor import Actor
from tongban.kernel.db import Tx
from tongban.kernel.errors import NotAllowed, Refusals
from tongban.kernel.ids import uuid7
from tongban.kernel.log import log
from tongban.kernel.node import Node

REPORT = "identity.theft_report"


async def report(tx: Tx, node: Node, *, name: str, number: str, address: str) -> Refusals:
    """A report from any browser 报丢失. The answer is the same whether such an account exists or not (T-18)."""
    if wrong := _form_wrong(name, number):
        return wrong
    if wait := await throttle.take(tx, node, f"theft:{limits.address_block(address)}", limits.a_day(FACTORS.theft.address_day, address, demo=False)):
        return (refusal("identity.theft_limit", "number", wait=wait),)
    found = await _named(tx, node, name, number)
    if found is None:
        return ()
    if await _seen_lately(tx, node, found.subject):
        return ()
    if await throttle.take(tx, node, f"theft-of:{found.subject}", ((limits.WEEK, FACTORS.theft.web_reports_week),)):
        log("identity.theft_reports_many", node=node.id)
        return ()
    await restrict(tx, node, found.subject, "page")
    return ()


async def by_staff(tx: Tx, node: Node, clerk: Actor, *, name: str, number: str) -> Refusals:
    """12345 or a counter reports for whoever asks 代报丢失: not bound by what was reported on the web, and tells the clerk nothing.

    The person reads in the ledger which unit it was. Raises NotAllowed, Failure `identity.own_case` (T-62).
    """
    clerk.require_staff()
    if not holds(clerk, REPORT):
        raise NotAllowed
    if wrong := _form_wrong(name, number):
        return wrong
    if wait := await throttle.take(tx, node, f"theft-by:{clerk.subject}", ((limits.HOUR, LIMITS.visits_an_hour),)):
        await notices.put_alert(tx, node, clerk, "many_thefts", "一小时内代报丢失的太多")
        return (refusal("identity.too_many", "number", wait=wait),)
    found = await _named(tx, node, name, number)
    if found is None:
        return ()
    if clerk.own_or_family(found.subject):
        raise failure("identity.own_case")
    await consent.record_access(tx, node, consent.Access(
        subject=found.subject, kind="check", who=clerk.unit or node.settings.name, fields=("姓名", "证件号"), purpose="代你报手机丢失",
        source=node.id, receiver=node.id, basis="本人或来电人要求",
    ))  # fmt: skip
    await restrict(tx, node, found.subject, "hotline")
    return ()


def _form_wrong(name: str, number: str) -> Refusals:
    wrong = [refusal("identity.theft_form", "name")] if not typed.normal_name(name) else []
    if bad := typed.check_number(number):
        wrong.append(bad)
    return tuple(wrong)


async def _named(tx: Tx, node: Node, name: str, number: str) -> Person | None:
    """The person of this home with exactly this name and number."""
    found = await person_by_number(tx, node, typed.normal(number))
    agrees = found is not None and found.home == node.id and found.name is not None and found.name.reveal() == typed.normal_name(name)
    return found if agrees else None


async def _seen_lately(tx: Tx, node: Node, subject: str) -> bool:
    """Whether a hall saw the person and lifted a report of late 刚在大厅恢复过: who has no passkey does not go there week after week."""
    since = node.clock.now() - timedelta(days=FACTORS.theft.seen_days)
    return bool(await tx.fetchval("SELECT true FROM theft_report WHERE subject = $1 AND lifted_by = 'hall' AND lifted_at > $2 LIMIT 1", subject, since))


async def restrict(tx: Tx, node: Node, subject: str, way: str) -> None:
    """Restrict an account for 24 hours 限制: every session ends everywhere, new ones reach level 1, so the wallet is hidden."""
    now = node.clock.now()
    until = now + timedelta(hours=FACTORS.theft.hours)
    changed = await tx.fetchval(
        "UPDATE account SET status = 'restricted', restricted_until = $2 WHERE subject = $1 AND status IN ('open', 'restricted')"
        " RETURNING true",
        subject, until,
    )  # fmt: skip
    if not changed:
        return
    await tx.execute("INSERT INTO theft_report (subject, id, at, until, way) VALUES ($1, $2, $3, $4, $5)", subject, uuid7(), now, until, way)
    await ending.leave_everywhere(tx, node, subject, "theft")
    text = "账号报了手机丢失，24 小时内只能看。不是你报的，用通行密钥登录一次就恢复。"
    await notifications.notify(
        tx, node, subject=subject, kind="identity.theft", about=f"theft:{uuid7()}", title="账号报了手机丢失", text=text, link="/me/devices"
    )
    if phone := await phone_of(tx, node, subject):
        await sms(node).send(tx, node, phone, f"【{node.settings.name}】{text}")


async def lapse(tx: Tx, node: Node) -> None:
    """Accounts whose 24 hours are over are open again 到期恢复."""
    await tx.execute(
        "UPDATE account SET status = 'open', restricted_until = NULL WHERE status = 'restricted' AND restricted_until <= $1", node.clock.now()
    )
