"""Signatures next door: this node's, with this node's key, and made here when that process cannot (R-402, T-49)."""

from __future__ import annotations

import asyncio
import os
import signal

import msgspec
import pytest

from tongban.kernel import signing
from tongban.kernel.gm import FileKeyStore, Sm2PrivateKey


@pytest.fixture(params=[False, True], ids=["", "checks next door too"])
async def busy(make_node, monkeypatch, request):
    """A node with much to do, its process next door ready; gone again afterwards."""
    node = await make_node("510000")
    monkeypatch.setattr(signing, "BUSY", 0)
    monkeypatch.setattr(signing, "next_door", lambda: request.param)
    signer = node.keys.signer("s1")
    async with asyncio.timeout(20):
        while not (door := signing._door(node)).ready:
            assert signer.public.verify(b"first", await signing.signed(node, signer, b"first"))  # meanwhile it is made here
            await asyncio.sleep(0)  # it may be made at once, and then nothing else has had its turn
    yield node, signer, door
    door.process.stdin.close()
    async with asyncio.timeout(10):
        await door.process.wait()


async def test_signatures_next_door_are_this_nodes_and_fall_back_here(busy, monkeypatch):
    node, signer, door = busy
    before = door.number
    texts = [f"answer {number}".encode() for number in range(40)]
    made = await asyncio.gather(*(signing.signed(node, signer, text) for text in texts))
    assert door.number == before + 40, "not asked next door"
    assert all(signer.public.verify(text, one) for text, one in zip(texts, made, strict=True))
    assert not signer.public.verify(texts[0], made[1])

    class Other:  # a key of that name, and another: the process must not sign for it with ours
        kid = "510000/s1"
        _key = Sm2PrivateKey.generate()
        public = _key.public
        sign = _key.sign

    assert Other.public.verify(b"text", await signing.signed(node, Other(), b"text")), "a signature of another key"

    os.kill(door.process.pid, signal.SIGSTOP)
    owed = [asyncio.create_task(signing.signed(node, signer, text)) for text in texts]
    await asyncio.sleep(0)
    os.kill(door.process.pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        assert all(signer.public.verify(text, one) for text, one in zip(texts, await asyncio.gather(*owed), strict=True))


async def test_the_process_makes_no_key_and_signs_with_signing_keys_only(tmp_path):
    keys = FileKeyStore(tmp_path, "510000")
    sealed = keys.decrypter("e1")
    desk = signing._Desk(tmp_path, "510000")
    assert desk.made(signing.Asked(7, "s9", b"", b"text")) == (7, b"")
    assert desk.made(signing.Asked(8, "e1", sealed.public.point, b"text")) == (8, b"")
    assert not keys.has("s9"), "a key was made next door"


async def test_where_a_device_keeps_the_keys_there_is_no_such_process(make_node, monkeypatch):
    node = await make_node("510000")
    node.settings = msgspec.structs.replace(node.settings, pkcs11_module="/usr/lib/softhsm/libsofthsm2.so")
    monkeypatch.setattr(signing, "BUSY", 0)
    signer = node.keys.signer("s1")
    assert signer.public.verify(b"text", await signing.signed(node, signer, b"text"))
    assert signing._door(node) is None
