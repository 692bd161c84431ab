"""Licences as data resources 证照资源: what a grant for the licences of another node names (R-401, R-403). Pure.

One resource for each type a node issues, with the fields of its template and the file; one for asking which licences a
holder has. A grant of such a resource says who may use which fields of which type, how often and until when.
"""

from __future__ import annotations

from typing import Final

from tongban import exchange
from tongban.credentials.model import CredentialType

COPY: Final = "file_copy"
HELD: Final = "held"
_BASIS: Final = "国办发〔2022〕3号"
_REASON: Final = "办理的事项要用这张证，凭事项、办件号和用证事由使用"


def resource_id(owner: str, kind: CredentialType) -> str:
    """The number of the resource of one type at the node that issues it.

    Type codes are 21 letters and digits, so the number can be told from the type at every node.
    """
    return f"{owner}.licence_{kind.code.lower()}"


def search_id(owner: str) -> str:
    """The number of the resource for asking a node which licences a holder has there."""
    return f"{owner}.licences"


def type_resource(kind: CredentialType, owner: str, owner_name: str, *, demo: bool) -> exchange.Resource:
    """The licences of one type that a node issues, as an entry of the catalogue (一类证照的资源)."""
    own = tuple(exchange.Field(one.key, one.name, one.personal) for one in kind.fields if not one.derive)
    return exchange.Resource(
        id=resource_id(owner, kind), name=f"电子证照：{kind.name}", owner=owner, owner_name=owner_name, sharing="conditional", sharing_reason=_REASON,
        basis=_BASIS, update_cycle="实时", fields=(*own, exchange.Field(COPY, "证照文件（加水印的副本）", sensitive=True)), key="licence", demo=demo,
        summary=f"{owner_name}发的{kind.name}：照面内容，或者加水印的副本", collector=owner_name, scenes=("免交证照", "预填表单"), is_licence=True,
    )  # fmt: skip


def search_resource(owner: str, owner_name: str, *, demo: bool) -> exchange.Resource:
    """Which licences a holder has at a node, without their contents (证照检索)."""
    return exchange.Resource(
        id=search_id(owner), name="电子证照检索", owner=owner, owner_name=owner_name, sharing="conditional", sharing_reason=_REASON, basis=_BASIS,
        update_cycle="实时", fields=(exchange.Field(HELD, "有没有这张证"),), key="licence", demo=demo,
        summary="一个人或单位在这里有没有某几种有效证照，不含内容", collector=owner_name, scenes=("免交证照",), is_licence=True,
    )  # fmt: skip
