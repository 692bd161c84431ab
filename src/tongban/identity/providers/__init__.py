"""Outside systems of identity 外部系统: text messages, face check, certificates, the population register.

Each stands behind a small Protocol with demo twins that work, fail and are slow. A function for each gives what a node uses; in earnest
there is none yet: what proves somebody is refused, and what is a hint only (city, phone status) is not known.
"""

from __future__ import annotations

from tongban.identity.providers.certificate import Certificates, DemoCertificates
from tongban.identity.providers.city import City, DemoCity, NoCity
from tongban.identity.providers.cosigner import CoSigner, DemoCoSigner
from tongban.identity.providers.face import DemoFace, Face
from tongban.identity.providers.phone_status import DemoPhoneStatus, NoPhoneStatus, PhoneStatus
from tongban.identity.providers.register import DemoRegister, Register
from tongban.identity.providers.sms import DemoSms, Sms
from tongban.identity.providers.voice import DemoVoice, Voice
from tongban.kernel.errors import Failure
from tongban.kernel.node import Node

__all__ = ["TWINS", "certificates", "city", "cosigner", "demo_way", "face", "phone_status", "register", "sms", "voice"]

TWINS = {"face": "人脸核验", "voice": "声纹", "cosigner": "个人数字证书", "phone_status": "号码状态", "city": "地址所在城市"}
"""The demo twins whose behaviour can be chosen at /demo/providers."""


async def demo_way(node: Node, name: str, chosen: str = "") -> str:
    """How a demo twin behaves now 演示: as `chosen` on the very page, else as set at /demo/providers; works, fails or slow."""
    if node.settings.demo and chosen in ("works", "fails", "slow"):
        return chosen
    async with node.db.reading() as tx:
        way: str | None = await tx.fetchval("SELECT way FROM demo_provider WHERE name = $1", name)
    return way or "works"


def voice(node: Node, way: str = "works") -> Voice:
    """Who compares voices 声纹."""
    _demo_only(node)
    return DemoVoice(way)


def cosigner(node: Node, way: str = "works") -> CoSigner:
    """Who signs with citizens' keys 个人数字证书."""
    _demo_only(node)
    return DemoCoSigner(node, way)


def phone_status(node: Node, way: str = "works") -> PhoneStatus:
    """Who knows whether a phone number was given to somebody else 二次放号; in earnest nobody yet."""
    return DemoPhoneStatus(way) if node.settings.demo else NoPhoneStatus()


def city(node: Node, way: str = "works") -> City:
    """Who knows the city of an address 地址所在城市; in earnest nobody yet."""
    return DemoCity(node.settings.name, way) if node.settings.demo else NoCity()


def sms(node: Node) -> Sms:
    """Who carries text messages 短信通道 for this node. A production node needs one of its own: Failure without."""
    _demo_only(node)
    return DemoSms()


def face(node: Node, way: str = "works") -> Face:
    """Who checks faces 人脸核验; `way` chooses the demo twin: works, fails, slow."""
    _demo_only(node)
    return DemoFace(way)


def certificates(node: Node) -> Certificates:
    """Who knows staff certificates 工作证书."""
    _demo_only(node)
    return DemoCertificates()


def register(node: Node, way: str = "works") -> Register:
    """The population register 人口登记 behind the register's node."""
    _demo_only(node)
    return DemoRegister(way)


def _demo_only(node: Node) -> None:
    if not node.settings.demo:
        raise Failure(
            "identity.provider_missing", status=503, sentence="这个节点还没有接上核验渠道",
            todo="请到大厅办理", ask="管理员：在 providers/ 里接上真实渠道",
        )  # fmt: skip
