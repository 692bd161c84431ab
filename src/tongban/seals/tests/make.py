"""Builders for seal tests 造测试用的印章和版式文件."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from tongban.kernel.gm import FileKeyStore, Sm2PrivateKey, x509
from tongban.kernel.node import Node
from tongban.seals.model import Anchors, Box, Document, Image, Line, Page, Placement, Seal, Text
from tongban.seals.rules import p256, picture, ses, signing, stamp
from tongban.seals.rules import paper as _paper

AT = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)


def document(words: str = "成都市演示科技有限公司") -> Document:
    return Document(
        "019aa5c0-0000-7000-8000-000000000001",
        "营业执照（演示）",
        "成都市市场监督管理局（演示）",
        AT,
        (
            Page(
                (
                    Box(10, 10, 190, 277, fill="#fffdf5"),
                    Text(105, 60, "营业执照（演示）", 12, align="center"),
                    Line(20, 70, 190, 70),
                    Text(25, 100, f"名称 {words}"),
                    Text(25, 110, "统一社会信用代码 91510100MADEMO", font="sans"),
                    Image(160, 20, 25, 25, picture.draw("图", middle="图")),
                ),
                stamps=(Text(105, 200, "演示 不作凭证", 14, color="#c8c8c8", align="center"),),
            ),
        ),
        {"证照标识": "1.2.156.3005.2.X"},
    )


class Kit(msgspec.Struct):
    """A root, a maker, a signer and a seal of theirs."""

    root_key: Sm2PrivateKey
    root: bytes
    maker_key: Sm2PrivateKey
    maker: bytes
    key: Sm2PrivateKey
    certificate: bytes
    seal: bytes
    es_id: str

    @property
    def anchors(self) -> Anchors:
        return Anchors((self.root,))

    def sign(
        self, ofd: bytes, *, at: datetime = AT, placement: Placement | None = None, clock: stamp.Clock | None = None
    ) -> bytes:
        return signing.sign_package(
            ofd, seal=self.seal, certificate=self.certificate, key=self.key, at=at, placement=placement or Placement(0, 140, 235), clock=clock,
        )  # fmt: skip


def kit(*, es_id: str = "510000-demo1", listed: bytes | None = None, days: int = 300) -> Kit:
    root_key, maker_key, key = (Sm2PrivateKey.generate() for _ in range(3))
    begin = AT - timedelta(days=1)
    root = x509.make_root(root_key, common_name="seal root", organisation="11510000DEMO", at=begin)
    over = x509.read(root)
    maker = x509.make_leaf(
        over, root_key, public=maker_key.public, common_name="maker", organisation="x", use="sign", at=begin
    )
    certificate = x509.make_leaf(
        over, root_key, public=key.public, common_name="成都市市场监督管理局", organisation="x", use="sign", at=begin
    )
    seal = ses.make(
        es_id=es_id, name="成都市市场监督管理局审批专用章", seal_type=99, certificate=listed or certificate, at=AT,
        valid_from=begin, valid_until=AT + timedelta(days=days), picture=picture.draw("成都市市场监督管理局", middle="演示", foot="审批专用章"),
        size_mm=40, maker=maker, maker_key=maker_key,
    )  # fmt: skip
    return Kit(root_key, root, maker_key, maker, key, certificate, seal, es_id)


class Paper(msgspec.Struct):
    """A P-256 root, a seal's key for PDF and a clock."""

    root_key: p256.P256Key
    root: bytes
    means: _paper.Means

    @property
    def anchors(self) -> Anchors:
        return Anchors((), pdf_makers=(self.root,))

    def sign(self, pdf: bytes, *, at: datetime = AT, placement: Placement | None = None) -> bytes:
        return _paper.sign_pdf(pdf, self.means, purpose="审批决定", at=at, placement=placement or Placement(0, 140, 235))


def paper(*, es_id: str = "510000-demo1", use: p256.Use = "seal", clock_use: p256.Use = "stamp", secret: bytes = b"s") -> Paper:
    root_key, key, clock_key = (p256.P256Key(secret * 31 + bytes([at])) for at in range(3))
    begin, end = AT - timedelta(days=1), AT + timedelta(days=300)
    root = p256.make_root(root_key, common_name="510000 pdf seal root", organisation="x", at=begin)
    leaf, ticking = (
        p256.make_leaf(root, root_key, public=one.public, common_name=name, organisation="x", use=kind, begins=begin, ends=end, es_id=number)
        for one, name, kind, number in ((key, "成都市市场监督管理局审批专用章", use, es_id), (clock_key, "clock", clock_use, ""))
    )
    image = picture.draw("成都市市场监督管理局", middle="演示", foot="审批专用章")
    return Paper(root_key, root, _paper.Means("成都市市场监督管理局审批专用章", key, leaf, root, image, stamp.Clock(clock_key, ticking)))


async def thief(node: Node, seal: Seal, ofd: bytes, at: datetime) -> bytes:
    """Sealed with the stolen key past every verb: no row, no leaf, no stamp, a date of the thief's choice."""
    return signing.sign_package(
        ofd, seal=seal.der, certificate=seal.certificate, key=node.keys.signer(seal.key_name), at=at, placement=Placement(0, 140, 235)
    )


def key_store(folder: Path) -> FileKeyStore:
    return FileKeyStore(folder, "510000")
