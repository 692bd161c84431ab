"""Verifying what is spoken, photographed or told later (核对): digits, pictures, looks of a window that had no network.

What a code itself is worth is judged in `checking`.
"""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta
from typing import Any, Final

from tongban import federation
from tongban.credentials.actions import checking, looks, wallet
from tongban.credentials.errors import TooManyTries
from tongban.credentials.model import Browser, Verdict
from tongban.credentials.queries.keys import node_name
from tongban.credentials.queries.types import purpose as find_purpose
from tongban.kernel.db import Tx
from tongban.kernel.gm import b64
from tongban.kernel.ids import uuid7
from tongban.kernel.node import Node

SPOKEN: Final = re.compile(r"[0-9]{8}")
TRIES: Final = 5
NODE_TRIES: Final = 60
"""Wrong codes a minute from one node: it names its verifiers itself, so counting those alone would count nothing."""
TRY_SECONDS: Final = 60
verify_presentation = checking.verify_presentation


async def verify_digits(node: Node, digits: str, home: str, browser: Browser, ask: tuple[str, ...] = ()) -> Verdict:
    """The verdict on eight spoken digits (核对数字码). Raises TooManyTries after five wrong ones in a minute.

    Only a registered window may ask; `home` is the node the holder names, this one by default.
    """
    group, now = checking.group_of(browser), node.clock.now()
    token = await _token(node, "".join(one for one in digits if one.isdigit()), home or node.id, group)
    if token is None:
        found = Verdict(
            "false", "wrong_digits", "数字不对", "没有这个数字码，或者过了 60 秒", say="“请您再念一遍，或者换个新码。”连着 5 次不对会停 1 分钟。",
            checked_at=now, registered=True,
        )  # fmt: skip
        await checking.count(node, browser, found)
        return found
    if not token:
        name = await node_name(node, home)
        return Verdict(
            "unknown", "away", "现在不能确认", f"{name}暂时连不上，数字码要联网才能查", say="“请您直接出示二维码，没网也能核对签名。”",
            checked_at=now, registered=True,
        )  # fmt: skip
    return await verify_presentation(node, token, browser, ask)


async def _token(node: Node, digits: str, home: str, group: str) -> str | None:
    """The text behind the digits; None when there is none, empty when the home is away. A wrong one is counted.

    Where the codes are kept, looking and counting are one transaction under the verifier's lock: of many tries at once no more are
    answered than one after another. Another home counts for itself in the same way.
    """
    async with node.db.transaction() as tx:
        await check_tries(tx, node, group)
        if home == node.id or len(digits) != 8:
            token = await wallet.token_of_digits(tx, node, digits) if len(digits) == 8 else None
            if token is None:
                await wrong_try(tx, node, group)
            return token
    try:
        answer = await federation.call(node, home, "credentials.digits", {"v": 1, "digits": digits, "group": group})
    except federation.CallRefused:
        async with node.db.transaction() as tx:
            await wrong_try(tx, node, group)
        return None
    except federation.CallFailed as why:
        if why.problem == "quota":
            raise TooManyTries from why
        return ""
    except federation.NotMember:
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


async def told_later(
    node: Node, window: Browser | None, *, home: str, opaque: bytes, jti: bytes, at: datetime, fields: tuple[str, ...]
) -> bool:
    """A look that its home was not asked about is told afterwards, so that the holder sees it (补报核对); False: tell again later.

    `window` None is an unregistered verifier.
    """
    purpose, unit = find_purpose(node, window.purpose) if window else None, window.verifier.name if window else ""
    question: dict[str, Any] = {
        "v": 1, "opaque": b64(opaque), "unit": unit, "registered": window is not None, "purpose": purpose.name if purpose else "",
        "fields": list(fields), "jti": b64(jti) if jti else "", "at": int(at.timestamp() * 1000),
    }  # fmt: skip
    if home == node.id:
        async with node.db.transaction() as tx:
            await looks.looked(tx, node, looks.Look(opaque, unit, node.id, window is not None, question["purpose"], fields, jti, at))
        return True
    try:
        await federation.call(node, home, "credentials.presented", question, idempotency_key=uuid7())
    except (federation.CallRefused, federation.NotMember):
        return True
    except federation.CallFailed:
        return False
    return True


async def decode_picture(data: bytes) -> str:
    """The text of the code in a photo (拍照识码), read off the event loop. Raises BadPicture."""
    from tongban.credentials.rules.pictures import read_code

    return await asyncio.to_thread(read_code, data)
