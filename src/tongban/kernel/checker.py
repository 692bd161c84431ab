"""Checks in a process of their own 旁路验签: when signatures queue up, those that need no secret are checked next door.

That process knows no key of ours: it reads public keys, texts and signatures, and says which are true. It ends when nobody asked
for a minute, and by itself when its node ends. Without it, or when it dies, the threads of `beside` check as before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from tongban.kernel.beside import beside, waiting
from tongban.kernel.gm.errors import BadKey
from tongban.kernel.gm.sm2 import Sm2PublicKey
from tongban.kernel.next_door import NextDoor, serve

BUSY: Final = 16
"""Signatures that wait for a thread; from then on a process is worth its start."""
_KEYS_AT_MOST: Final = 4096


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """One check: the point of the public key, what was signed, 64 bytes r‖s."""

    number: int
    point: bytes
    data: bytes
    signature: bytes


_doors: WeakKeyDictionary[asyncio.AbstractEventLoop, NextDoor[bool]] = WeakKeyDictionary()


async def true_signature(key: Sm2PublicKey, data: bytes, signature: bytes) -> bool:
    """Whether `signature` is `key`'s over `data` (验签), checked next door while many wait and in a thread otherwise."""
    door = _door(1)
    said = await door.ask(key.point, data, signature) if door is not None else None
    return said if said is not None else await beside(lambda: key.verify(data, signature))


async def true_signatures(asked: Sequence[tuple[Sm2PublicKey, bytes, bytes]]) -> list[bool]:
    """As `true_signature` for many (key, data, signature) at once, answered in their order (成批验签)."""
    door = _door(len(asked))
    said: Sequence[bool | None] = [None] * len(asked)
    if door is not None:
        said = await asyncio.gather(*(door.ask(key.point, data, signature) for key, data, signature in asked))
    left = [one for one, true in zip(asked, said, strict=True) if true is None]
    here = iter(await beside(lambda: [key.verify(data, signature) for key, data, signature in left]) if left else ())
    return [next(here) if true is None else true for true in said]


def _door(coming: int) -> NextDoor[bool] | None:
    """The process when it can be asked; it is started when so many come that it is worth its start."""
    loop = asyncio.get_running_loop()
    door = _doors.get(loop)
    if door is None:
        door = _doors[loop] = NextDoor("tongban.kernel.checker", (), bool)
    if door.ready:
        return door
    if waiting() + coming > BUSY:
        door.come()
    return None


def next_door() -> bool:
    """Whether checks go to a process of their own at this moment: a node that has this has much to do."""
    door = _doors.get(asyncio.get_running_loop())
    return door is not None and door.ready


_keys: dict[bytes, Sm2PublicKey] = {}


def _true(one: Asked) -> bool:
    if one.point not in _keys:
        if len(_keys) >= _KEYS_AT_MOST:
            _keys.clear()
        _keys[one.point] = Sm2PublicKey(one.point)
    return _keys[one.point].verify(one.data, one.signature)


def _judged(one: Asked) -> tuple[int, bool]:
    try:
        return one.number, _true(one)
    except BadKey:
        return one.number, False


if __name__ == "__main__":
    serve(Asked, _judged)
