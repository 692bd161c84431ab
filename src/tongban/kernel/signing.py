"""Signatures of answers in a process of their own 旁路签名: when a node is busy, its loop reads and writes and its key signs next door.

That process opens one folder of keys, this node's, the way every command of the node does; it makes no key, signs with signing
keys only, and reads nothing but its pipe. Where a device keeps the keys there is no such process: the device signs. Without it, or
when it dies, this process signs as before (docs/adr/0013, docs/threat-model.md B6).
"""

from __future__ import annotations

import sys
from pathlib import Path
from weakref import WeakKeyDictionary

import msgspec

from tongban.kernel.beside import beside, waiting
from tongban.kernel.checker import BUSY, next_door
from tongban.kernel.gm.errors import BadKey
from tongban.kernel.gm.keystore import FileKeyStore, Signer
from tongban.kernel.next_door import NextDoor, serve
from tongban.kernel.node import Node


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """One signature: the name of the key in the folder, its public point, what is to be signed."""

    number: int
    name: str
    point: bytes
    data: bytes


_doors: WeakKeyDictionary[Node, NextDoor[bytes]] = WeakKeyDictionary()


async def signed(node: Node, signer: Signer, data: bytes) -> bytes:
    """`signer`'s signature over `data`, 64 bytes r‖s (签名): made next door while the node is busy, and here otherwise."""
    door = _door(node)
    if door is not None and door.ready:
        made = await door.ask(signer.kid.split("/", 1)[1], signer.public.point, data)
        if made:
            return made
    busy = next_door()
    if door is not None and (busy or waiting() >= BUSY):
        door.come()
    # while checks are made next door the loop's processor has time to sign; a thread would have to win the interpreter back
    return signer.sign(data) if busy else await beside(lambda: signer.sign(data))


def _door(node: Node) -> NextDoor[bytes] | None:
    if node.settings.pkcs11_module:
        return None
    door = _doors.get(node)
    if door is None:
        folder = node.settings.data_dir / "keys"
        door = _doors[node] = NextDoor("tongban.kernel.signing", (str(folder), node.id), bytes)
    return door


class _Desk:
    """The other end: the keys of one folder, those that are there and sign."""

    def __init__(self, folder: Path, node: str) -> None:
        self._keys = FileKeyStore(folder, node)

    def made(self, one: Asked) -> tuple[int, bytes]:
        """The signature, or b"" when this folder has no such key: then whoever asked signs."""
        try:
            signer = self._keys.signer(one.name) if self._keys.has(one.name) else None
        except BadKey:
            return one.number, b""
        return one.number, signer.sign(one.data) if signer is not None and signer.public.point == one.point else b""


if __name__ == "__main__":
    serve(Asked, _Desk(Path(sys.argv[1]), sys.argv[2]).made)
