"""Citizens' certificates 个人数字证书: an SM2 key on a UKey or in a co-signing app signs our challenge (identity.md 3).

The provider only signs. Chain, dates, status and signature are judged by us (`rules/certificates.py`), so a provider
that answers anything else signs nobody in.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Protocol

import msgspec

from tongban.kernel.gm import Sm2PrivateKey, sm3, x509
from tongban.kernel.node import Node


class Signed(msgspec.Struct, frozen=True):
    """A challenge signed 签过的挑战: raw SM2 signature, the certificate (DER) and the serials its authority revoked."""

    signature: bytes
    certificate: bytes
    revoked: tuple[int, ...] = ()


class CoSigner(Protocol):
    """A UKey or co-signing app 协同签名."""

    async def anchors(self) -> tuple[bytes, ...]:
        """Certificates (DER) of the authorities this node trusts for citizens."""
        ...

    async def sign(self, holder: str, challenge: bytes) -> Signed | None:
        """The challenge signed by the holder's key; None when the person said no or has no certificate."""
        ...


class DemoCoSigner:
    """The demo's co-signing app 演示协同签名: real SM2 keys and certificates of an invented authority of this node.

    `works` signs, `fails` signs with a certificate that was revoked, `slow` never answers.
    """

    def __init__(self, node: Node, way: str = "works") -> None:
        self.node = node
        self.way = way
        self.root_key = Sm2PrivateKey.from_bytes(self._seed("root"))
        self.at = node.clock.now() - timedelta(days=1)

    def _seed(self, name: str) -> bytes:
        return sm3(self.node.keys.secret("demo-cosigner") + name.encode())

    def _root(self) -> bytes:
        return x509.make_root(self.root_key, common_name="演示个人证书机构", organisation="演示", at=self.at)

    async def anchors(self) -> tuple[bytes, ...]:
        return (self._root(),)

    async def sign(self, holder: str, challenge: bytes) -> Signed | None:
        if self.way == "slow":
            await asyncio.Event().wait()
        root = self._root()
        key = Sm2PrivateKey.from_bytes(self._seed(holder))
        leaf = x509.make_leaf(
            x509.read(root), self.root_key, public=key.public, common_name=holder, organisation="演示", use="sign", at=self.at
        )
        revoked = (x509.read(leaf).serial,) if self.way == "fails" else ()
        return Signed(key.sign(challenge), leaf, revoked)


async def ask(provider: CoSigner, holder: str, challenge: bytes, *, seconds: float) -> Signed | TimeoutError | None:
    """Ask with a deadline; the TimeoutError itself as a value when no answer comes in time."""
    try:
        async with asyncio.timeout(seconds):
            return await provider.sign(holder, challenge)
    except TimeoutError as error:
        return error
