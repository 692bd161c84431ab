"""Verifying what is shown (核对): signature and time here, the state and the holder's record at the home node.

Order: signature by the directory's key → time → once per verifier group → the home by call → the age of what we know.
Stated fallback when the home is away: the state in the code with the time of its list, refused beyond 24 hours.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from tongban import federation
from tongban.credentials.actions import wallet
from tongban.credentials.errors import TooManyTries
from tongban.credentials.model import Browser, Shown, Unreadable, Verdict
from tongban.credentials.queries.keys import key_finder, node_name
from tongban.credentials.queries.types import purpose as find_purpose
from tongban.credentials.queries.types import purposes, type_of
from tongban.credentials.rules import marks, presentation, verdicts
from tongban.kernel.db import Tx
from tongban.kernel.gm import b64
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

UNREGISTERED: Final = "unregistered"
TRIES: Final = 5
NODE_TRIES: Final = 60
"""Wrong codes a minute from one node: it names its verifiers itself, so counting those alone would count nothing."""
TRY_SECONDS: Final = 60


async def verify_presentation(node: Node, text: str, browser: Browser | None = None, ask: tuple[str, ...] = ()) -> Verdict:
    """The verdict on a scanned text (核对出示码). Never raises for what the text holds; writes counts, no personal data.

    `browser` None is an unregistered verifier: it learns the type and whether it is valid, and the holder sees that.
    `ask` narrows what a registered one gets below what its purpose allows.
    """
    now = node.clock.now()
    registered = browser is not None
    shown = presentation.read(text.strip(), await key_finder(node), now.timestamp())
    if isinstance(shown, Unreadable):
        found = verdicts.unreadable(shown, now, registered=registered)
    elif not await _issuer_listed(node, shown):
        found = verdicts.unreadable(Unreadable("unknown_key", shown.home), now, registered=registered)
    elif not await _first_time(node, shown, _group(browser)):
        found = verdicts.replayed(now, registered=registered)
    else:
        found = await _with_home(node, shown, browser, now, ask)
    await _count(node, browser, found)
    return found


async def verify_digits(node: Node, digits: str, home: str, browser: Browser, ask: tuple[str, ...] = ()) -> Verdict:
    """The verdict on eight spoken digits (核对数字码). Raises TooManyTries after five wrong ones in a minute.

    Only a registered window may ask; `home` is the node the holder names, this one by default.
    """
    group, now = _group(browser), node.clock.now()
    async with node.db.transaction() as tx:
        await check_tries(tx, node, group)
    token = await _token(node, "".join(one for one in digits if one.isdigit()), home or node.id, group)
    if token is None:
        async with node.db.transaction() as tx:
            await wrong_try(tx, node, group)
        found = Verdict(
            "false", "wrong_digits", "数字不对", "没有这个数字码，或者过了 60 秒", say="“请您再念一遍，或者换个新码。”连着 5 次不对会停 1 分钟。",
            checked_at=now, registered=True,
        )  # fmt: skip
        await _count(node, browser, found)
        return found
    if not token:
        name = await node_name(node, home)
        return Verdict(
            "unknown", "away", "现在不能确认", f"{name}暂时连不上，数字码要联网才能查", say="“请您直接出示二维码，没网也能核对签名。”",
            checked_at=now, registered=True,
        )  # fmt: skip
    return await verify_presentation(node, token, browser, ask)


async def _token(node: Node, digits: str, home: str, group: str) -> str | None:
    """The text behind the digits; None when there is none, empty when the home is away."""
    if len(digits) != 8:
        return None
    if home == node.id:
        async with node.db.reading() as tx:
            return await wallet.token_of_digits(tx, node, digits)
    try:
        answer = await federation.call(node, home, "credentials.digits", {"v": 1, "digits": digits, "group": group})
    except federation.CallRefused as no:
        if no.problem == "quota":
            raise TooManyTries from no
        return None
    except (federation.CallFailed, federation.NotMember):
        return ""
    return str(answer["token"])


async def check_tries(tx: Tx, node: Node, group: str, most: int = TRIES) -> None:
    """Raises TooManyTries when this verifier has been wrong `most` times within a minute (T-56)."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtext('credential-try:' || $1))", group)
    wrong = await tx.fetchval(
        "SELECT count(*) FROM credential_try WHERE verifier_group = $1 AND at > $2",
        group,
        node.clock.now() - timedelta(seconds=TRY_SECONDS),
    )
    if wrong >= most:
        raise TooManyTries


async def wrong_try(tx: Tx, node: Node, group: str) -> None:
    """Write down one wrong code (记一次试错)."""
    await tx.execute(
        "INSERT INTO credential_try (verifier_group, id, at) VALUES ($1,$2,$3)", group, uuid7(), node.clock.now()
    )


def _group(browser: Browser | None) -> str:
    return browser.verifier.id if browser else UNREGISTERED


async def _issuer_listed(node: Node, shown: Shown) -> bool:
    """The issuer is a node of the directory, not suspended or gone."""
    found = await federation.present(node)
    if found is None:
        return shown.issuer == node.id
    listed = found.node(shown.issuer)
    return listed is not None and listed.status in {"active", "leaving"}


async def _first_time(node: Node, shown: Shown, group: str) -> bool:
    """Whether this group has not taken this code before: one insert decides, also between two windows at once."""
    async with node.db.transaction() as tx:
        done: str = await tx.execute(
            "INSERT INTO credential_seen (verifier_group, jti, expires_at) VALUES ($1,$2,$3) ON CONFLICT DO NOTHING",
            group, shown.jti, shown.expires_at + timedelta(minutes=5),
        )  # fmt: skip
    return done == "INSERT 0 1"


async def _with_home(node: Node, shown: Shown, browser: Browser | None, now: datetime, ask: tuple[str, ...]) -> Verdict:
    kind = type_of(node, shown.type_code)
    purpose = find_purpose(node, browser.purpose) if browser else None
    if purpose is not None and ask:
        purpose = verdicts.narrowed(purpose, ask)
    question: dict[str, Any] = {
        "v": 1,
        "opaque": b64(shown.opaque),
        "unit": browser.verifier.name if browser else "",
        "registered": browser is not None,
        "purpose": purpose.name if purpose else "",
        "fields": list(verdicts.names_shown(shown, kind, purpose)),
        "jti": b64(shown.jti) if shown.offline else "",
    }
    answer = await _ask(node, shown, question)
    if answer is not None and answer.status != "ok":
        if answer.status in {"used", "stopped"}:
            return verdicts.replayed(now, stopped=answer.status == "stopped", registered=browser is not None)
        reason = Unreadable("too_old" if answer.status == "late" else "bad_signature", shown.home)
        return verdicts.unreadable(reason, now, registered=browser is not None)
    known, known_at = (answer.state, datetime.fromtimestamp(answer.state_at_ms / 1000, UTC)) if answer else await _by_marks(node, shown)
    facts = verdicts.Facts(
        now=now,
        answer=answer.status if answer else None,
        state=known,  # type: ignore[arg-type]  # a State on the wire
        state_at=known_at,
        valid_until=_day(answer.valid_until) if answer else shown.valid_until,
        purposes={one.id: one.name for one in purposes(node)},
        issuer_name=await node_name(node, shown.issuer),
        home_name=await node_name(node, shown.home),
    )
    return verdicts.verdict(shown, kind, purpose, facts)


async def _by_marks(node: Node, shown: Shown) -> tuple[str, datetime]:
    """The state when the home cannot be asked: what the code says, or what newer marks of the issuer say (T-55)."""
    async with node.db.reading() as tx:
        row = await tx.fetchrow("SELECT at, body FROM credential_ended WHERE issuer = $1", shown.issuer)
    return marks.newest(shown, (row["at"], marks.read(bytes(row["body"]))) if row else None)


async def told_later(
    node: Node, window: Browser, *, home: str, opaque: bytes, jti: bytes, at: datetime, fields: tuple[str, ...]
) -> bool:
    """A window that had no network tells of a look of then, so that the holder sees it (补报核对); False: tell again later."""
    purpose = find_purpose(node, window.purpose)
    question: dict[str, Any] = {
        "v": 1, "opaque": b64(opaque), "unit": window.verifier.name, "registered": True, "purpose": purpose.name if purpose else "",
        "fields": list(fields), "jti": b64(jti) if jti else "", "at": int(at.timestamp() * 1000),
    }  # fmt: skip
    if home == node.id:
        async with node.db.transaction() as tx:
            await wallet.looked(
                tx, node, opaque=opaque, unit=window.verifier.name, verifier_node=node.id, registered=True,
                purpose=question["purpose"], fields=fields, jti=jti, at=at,
            )  # fmt: skip
        return True
    try:
        await federation.call(node, home, "credentials.presented", question, idempotency_key=uuid7())
    except (federation.CallRefused, federation.NotMember):
        return True
    except federation.CallFailed:
        return False
    return True


async def _ask(node: Node, shown: Shown, question: dict[str, Any]) -> wallet.Looked | None:
    """The home's answer, or None when it cannot be had (last_known is the fallback)."""
    if shown.home == node.id:
        async with node.db.transaction() as tx:
            return await wallet.looked(
                tx, node, opaque=shown.opaque, unit=question["unit"], verifier_node=node.id, registered=question["registered"],
                purpose=question["purpose"], fields=tuple(question["fields"]), jti=shown.jti if shown.offline else b"",
            )  # fmt: skip
    try:
        answer = await federation.call(
            node, shown.home, "credentials.presented", question, budget_ms=2000, idempotency_key=uuid7()
        )
        return wallet.Looked(answer["status"], answer["state"], answer["state_at"], answer["valid_until"])
    except (federation.CallFailed, federation.CallRefused, federation.NotMember, KeyError):
        return None


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


async def _count(node: Node, browser: Browser | None, found: Verdict) -> None:
    """Counts by unit, day and verdict: all that this node keeps of a check."""
    async with node.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO credential_check (verifier_group, day, purpose, verdict, checks) VALUES ($1,$2,$3,$4,1) "
            "ON CONFLICT (verifier_group, day, purpose, verdict) DO UPDATE SET checks = credential_check.checks + 1",
            _group(browser), node.clock.today(), browser.purpose if browser else "", found.kind,
        )  # fmt: skip


async def decode_picture(data: bytes) -> str:
    """The text of the code in a photo (拍照识码), read off the event loop. Raises BadPicture."""
    from tongban.credentials.rules.pictures import read_code

    return await asyncio.to_thread(read_code, data)
