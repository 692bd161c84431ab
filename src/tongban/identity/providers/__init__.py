"""Outside systems of identity 外部系统: text messages, face check, certificates, the population register.

Each stands behind a small Protocol with demo twins that work, fail and are slow. `chosen(node)` says which one is used.
"""

from __future__ import annotations

from tongban.identity.providers.certificate import Certificates, DemoCertificates
from tongban.identity.providers.face import DemoFace, Face
from tongban.identity.providers.register import DemoRegister, Register
from tongban.identity.providers.sms import DemoSms, Sms
from tongban.kernel.errors import Failure
from tongban.kernel.node import Node

__all__ = ["certificates", "face", "register", "sms"]


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


def register(node: Node) -> Register:
    """The population register 人口登记 behind the register's node."""
    _demo_only(node)
    return DemoRegister()


def _demo_only(node: Node) -> None:
    if not node.settings.demo:
        raise Failure(
            "identity.provider_missing", status=503, sentence="这个节点还没有接上核验渠道",
            todo="请到大厅办理", ask="管理员：在 providers/ 里接上真实渠道",
        )  # fmt: skip
