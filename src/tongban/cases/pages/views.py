"""What the pages of filling and submitting draw (页面对象): one Struct a page, compared with what its template reads."""

from __future__ import annotations

import msgspec

from tongban import evidence
from tongban.cases.model import Mirror
from tongban.cases.pages import asked
from tongban.kernel.errors import Refusals


class StepPage(msgspec.Struct, frozen=True):
    """What /apply/{draft}/{step} draws (一页问题)."""

    title: str
    nav_title: str
    step_line: str
    heading: str
    lead: str
    questions: tuple[asked.Asked, ...]
    action: str
    back: str
    errors: Refusals = ()
    from_check: bool = False
    question: str = ""
    found_href: str = ""
    to_agree: bool = False


class Wanted(msgspec.Struct, frozen=True):
    """One material to hand in, with what is there already (要交的材料)."""

    code: str
    title: str
    hint: str
    accept: str
    required: bool
    kept: tuple[evidence.Material, ...]
    reusable: tuple[evidence.Material, ...]


class MaterialsPage(msgspec.Struct, frozen=True):
    """What /apply/{draft}/materials draws (交材料)."""

    title: str
    nav_title: str
    step_line: str
    count_words: str
    wanted: tuple[Wanted, ...]
    spared: tuple[tuple[str, str], ...]
    action: str
    back: str
    errors: Refusals = ()
    from_check: bool = False
    question: str = ""


class CheckSection(msgspec.Struct, frozen=True):
    """One part of the check page (核对的一节)."""

    id: str
    title: str
    rows: tuple[CheckRow, ...]


class CheckRow(msgspec.Struct, frozen=True):
    """One row of the check page (核对的一行)."""

    label: str
    value: str
    source: str
    source_kind: str
    href: str


class CheckPage(msgspec.Struct, frozen=True):
    """What /apply/{draft}/check draws (核对)."""

    title: str
    nav_title: str
    sections: tuple[CheckSection, ...]
    materials: tuple[CheckRow, ...]
    material_words: str
    declarations: tuple[asked.Asked, ...]
    promise: str
    level_words: str
    action: str
    back: str
    errors: Refusals = ()


class SubmittedPage(msgspec.Struct, frozen=True):
    """What /apply/{draft}/submitted draws (交上去了)."""

    title: str
    nav_title: str
    mirror: Mirror
    number: str
    grouped: str
    when: str
    date_words: str
    date_hint: str
    steps: tuple[dict[str, str], ...]
    back: str = "/cases"
    back_label: str = "返回办件"


class AgainPage(msgspec.Struct, frozen=True):
    """Drawn when the sign-in ended while somebody was typing: every typed field is in it (接着提交)."""

    title: str
    login: str
    action: str
    fields: tuple[tuple[str, str], ...]
    lost_files: bool
