"""Judgements of 授权与台账: the canonical line, its digest, its sentence. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from tongban.consent.model import Access, Line
from tongban.kernel.gm import digest, jcs

ONESELF = "你本人"
"""`who` of a line about a person's own taking (本人): no office used anything."""


def holder(access_id: str, subject: str) -> str:
    """Whose line it is, readable only by those who know the subject (台账的主人).

    The subject itself never enters a fact; the digest over id and subject binds the line to one person.
    """
    return digest(f"{access_id}\n{subject}".encode())


def access_fact(access: Access, *, fields_sorted: bool = True) -> bytes:
    """The canonical bytes of one access (取用的规范形式): equal at both ends, hashed into the log.

    `side` and `leaf` are local and left out; times are Unix milliseconds. Raises ValueError without id or time.
    """
    if not access.id or access.at is None:
        raise ValueError("an access is written with its id and its time")
    names = sorted(access.fields) if fields_sorted else list(access.fields)
    return jcs(
        {
            "about": access.about,
            "at": milliseconds(access.at),
            "basis": access.basis,
            "consent": access.consent_id or "",
            "count": access.count,
            "fields": names,
            "holder": holder(access.id, access.subject),
            "id": access.id,
            "kind": access.kind,
            "purpose": access.purpose,
            "receiver": access.receiver,
            "source": access.source,
            "v": 1,
            "who": access.who,
        }
    )


def access_digest(access: Access) -> str:
    """`sm3:…` of the canonical line (台账行的指纹); the owner's and the caller's must be equal."""
    return digest(access_fact(access))


def milliseconds(at: datetime) -> int:
    """Unix milliseconds UTC, as letters and calls carry times (federation.md 1)."""
    return int(at.timestamp() * 1000)


def moment(ms: int) -> datetime:
    """The time of Unix milliseconds, aware UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def headline(line: Line) -> str:
    """As `sentence`, in the few words of a title: one field by its name, more by their number (标题).

    >>> headline(Line(id="", at=moment(0), kind="view", who="市场监管局", fields=("姓名", "住址"), purpose="", source="", receiver="",
    ...     basis="", about="", consent_id=None, side="owner", digest="", leaf=""))
    '市场监管局查看了你的 2 项信息'
    """
    if len(line.fields) < 2:
        return sentence(line)
    return sentence(msgspec.structs.replace(line, fields=(f" {len(line.fields)} 项信息",)))


def sentence(line: Line) -> str:
    """What happened, as one plain sentence (一句话).

    >>> sentence(Line(id="", at=moment(0), kind="share", who="成都市市场监管局", fields=("姓名", "住址"), purpose="企业开办",
    ...     source="mps", receiver="510000", basis="", about="", consent_id=None, side="owner", digest="", leaf=""))
    '成都市市场监管局取用了你的姓名、住址'
    """
    what = "、".join(line.fields)
    if line.who == ONESELF:
        return f"你自己取了{what}"
    match line.kind:
        case "present":
            return f"你给{line.who}出示了{what}"
        case "check":
            return f"{line.who}核对了你的{what}"
        case "view":
            return f"{line.who}查看了你的{what}"
        case _:
            return f"{line.who}取用了你的{what}"
