"""Nouns of rights asked for at a desk 窗口受理的个人信息请求: by the person, or by a close relative of somebody who died."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from tongban.privacy.model.closing import Paper

Way = Literal["self", "relative"]
Kind = Literal["copy", "closing", "stop", "alive", "correct"]
KIND_WORDS = {"copy": "要一份副本", "closing": "注销账号，删除信息", "stop": "不注销了", "alive": "人还在，恢复账号", "correct": "改登记信息"}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the clerk wrote down of a relative's request 亲属请求的内容; empty when the person came in person. `files` are materials of the asker."""

    relation: str = ""
    died_on: str = ""
    death_paper: str = ""
    death_number: str = ""
    kinship_paper: str = ""
    reason: str = ""
    attribute: str = ""
    claimed: str = ""
    files: tuple[str, ...] = ()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a proposal `privacy.desk` 窗口请求: what the second clerk confirms; names are masked."""

    id: str
    subject: str
    asker: str
    way: Way
    kind: Kind
    who: str
    asker_name: str = ""
    told: Told = Told()


class DeskRight(msgspec.Struct, frozen=True, kw_only=True):
    """One request as its row says 一条窗口请求. `paper` is there until the person has left the desk."""

    subject: str
    id: str
    way: Way
    kind: Kind
    asker_subject: str
    told: Told
    unit: str
    proposed_by: str
    proposal: str
    approved_by: str
    state: Literal["waiting", "done", "refused"]
    result: str
    paper: Paper | None
    asked_at: datetime
    done_at: datetime | None

    @property
    def words(self) -> str:
        """What is asked for, in words."""
        return KIND_WORDS[self.kind]
