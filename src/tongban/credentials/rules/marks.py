"""Marks of ended credentials 失效标记: a verifier without network learns that a card has ended, and nothing else. Pure.

A place in a status list is the same at every showing, so a code that named it could be followed (T-54). Instead a code
carries a mark: a keyed digest of its own opaque id. The key is made from the issuer's signature on the card, which only
issuer and home have; the issuer publishes the keys of cards that have *ended*, and whoever holds those can recognise a
code of such a card. Keys change every day (UTC), so a card that is resumed is a stranger again the next day.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from tongban.credentials.model import STATE_CODE, STATE_OF_CODE, Shown, State
from tongban.kernel.gm import b64, hmac_sm3, unb64

KEY_BYTES: Final = 16
MARK_BYTES: Final = 8
DAY: Final = 86_400
_ENTRY: Final = KEY_BYTES + 1


def day_key(signature: bytes, day: int) -> bytes:
    """The key of a card for one day (当日密钥), from the issuer's signature over its record; `day` counts from 1970."""
    return hmac_sm3(signature, b"ended" + day.to_bytes(4, "big"))[:KEY_BYTES]


def mark(signature: bytes, opaque: bytes, seconds: int) -> bytes:
    """The mark that goes into a code made at that Unix second (标记), 8 bytes."""
    return hmac_sm3(day_key(signature, seconds // DAY), opaque)[:MARK_BYTES]


def body(issuer: str, at_ms: int, ended: Iterable[tuple[bytes, State]]) -> bytes:
    """What an issuer signs and sends (失效标记清单): for yesterday, today and tomorrow, key and state of each ended card."""
    today, rows = at_ms // 1000 // DAY, list(ended)
    days = {
        str(day): b64(b"".join(sorted(day_key(signature, day) + bytes((STATE_CODE[state],)) for signature, state in rows)))
        for day in (today - 1, today, today + 1)
    }
    return json.dumps({"v": 1, "issuer": issuer, "at": at_ms, "days": days}, separators=(",", ":"), sort_keys=True).encode()


def read(text: bytes) -> dict[str, Any]:
    """A list as it came, its form checked. Raises ValueError."""
    found = json.loads(text)
    try:
        if found["v"] != 1 or type(found["issuer"]) is not str or type(found["at"]) is not int:
            raise ValueError("not a list of marks")
        for day, packed in found["days"].items():
            if not day.isdigit() or len(unb64(packed)) % _ENTRY:
                raise ValueError("not a list of marks")
    except (KeyError, TypeError, AttributeError) as why:
        raise ValueError("not a list of marks") from why
    return dict(found)


def state_of(listed: dict[str, Any], opaque: bytes, found: bytes, at: datetime) -> State:
    """What a list says of a code made at `at`: the state if its mark is of an ended card, else valid (查标记)."""
    packed = unb64(listed["days"].get(str(int(at.timestamp()) // DAY), ""))
    for begin in range(0, len(packed), _ENTRY):
        if hmac_sm3(packed[begin : begin + KEY_BYTES], opaque)[:MARK_BYTES] == found:
            return STATE_OF_CODE.get(packed[begin + KEY_BYTES], "other")
    return "valid"


def newest(shown: Shown, listed: tuple[datetime, dict[str, Any]] | None) -> tuple[State, datetime]:
    """The newest that is known of a code's card without asking anybody: its own word, or a newer list of its issuer (T-55)."""
    if listed is None or listed[0] <= shown.state_at or not shown.mark:
        return shown.state, shown.state_at
    found = state_of(listed[1], shown.opaque, shown.mark, shown.signed_at or shown.issued_at)
    return (found, listed[0]) if found != "valid" or shown.state == "valid" else (shown.state, shown.state_at)
