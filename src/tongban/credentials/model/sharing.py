"""Shared licence services (共享用证): what may be used for an item, what was found, what was given or why not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final, Literal

import msgspec

from tongban.credentials.model.types import State
from tongban.kernel.gm import Personal

OK: Final = "0"
NOT_FOUND: Final = "10"
NOT_HOLDER: Final = "11"
NO_PERMISSION: Final = "100"
WRONG_HOLDER: Final = "103"
NOT_NOW: Final = "99"
WORDS: Final[Mapping[str, str]] = {
    # the first five numbers as one provincial implementation has them (standards.md 3); 99 is ours
    OK: "成功",
    NOT_FOUND: "没有查到有效的证照",
    NOT_HOLDER: "持证主体核对不上",
    NO_PERMISSION: "没有使用这类证照的权限",
    WRONG_HOLDER: "持证主体类型不符",
    NOT_NOW: "发证的地方暂时连不上",
}
NO_GRANT: Final[Mapping[str, str]] = {
    "no_grant": "发证的地方没有授权我们用这类证照",
    "not_found": "发证的地方还没有登记这类证照的共享",
    "stopped": "发证的地方暂停提供这类证照",
    "quota": "今天用这类证照的次数用完了",
}
"""What is wrong with the grant, by the owner's word (授权上缺什么)."""
LONGEST_REASON: Final = 200
VALID: Final = "01"
"""The state of a licence that may be used, as public implementations number it."""


class Need(msgspec.Struct, frozen=True):
    """What an item needs of licences (事项用证): its name, the node that decides it, fields by type name; no field is the whole."""

    item: str
    owner: str
    fields: Mapping[str, frozenset[str]]


class UseAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """The body of a call of these services (用证请求). `id` and `at` are minted by the caller; both ends' records carry them."""

    id: str
    at: int
    who: str
    reason: str
    subject: str = ""
    credential: str = ""
    types: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    task_code: str = ""
    case: str = ""
    digest: str = ""
    v: int = 1


class FoundLicence(msgspec.Struct, frozen=True):
    """One licence as a list tells of it (查到的一张证): no content. `state_at` says how old that knowledge is."""

    id: str
    identifier: str
    type_name: str
    issuer: str
    org_name: str
    state: State
    valid_until: date | None
    state_at: datetime


class LicencesFound(msgspec.Struct, frozen=True):
    """What a search by holder found, the nodes that did not answer, and those that gave us no grant (按持证主体检索)."""

    found: tuple[FoundLicence, ...]
    silent: tuple[str, ...] = ()
    not_granted: tuple[str, ...] = ()


class LicenceData(msgspec.Struct, frozen=True):
    """What stands on a licence (证照数据), by field name: `at` is when it was told; `kept` means our own copy, its issuer being away."""

    id: str
    type_name: str
    identifier: str
    issuer: str
    org_name: str
    state: State
    valid_until: date | None
    values: Mapping[str, Personal]
    at: datetime
    line_id: str
    kept: bool = False


class LicenceFile(msgspec.Struct, frozen=True):
    """A watermarked copy (加注件), an OFD sealed by the issuing department."""

    id: str
    type_name: str
    ofd: bytes
    digest: str
    watermark: str
    at: datetime


class CopyId(msgspec.Struct, frozen=True):
    """The one-off id of a copy at the issuer (一次性文件编号): who asked may take the copy once, within its minutes."""

    file: str


class LicenceCopy(msgspec.Struct, frozen=True):
    """A watermarked copy as it is handed on (副本): sealed by the issuing department, kept nowhere by who asked."""

    content: bytes
    form: Literal["pdf", "ofd"]
    digest: str
    watermark: str


class LicenceState(msgspec.Struct, frozen=True):
    """The state of a licence now, in its issuer's words (现在的状态): `code` as public implementations number it."""

    code: str
    words: str

    @property
    def valid(self) -> bool:
        """Whether it may be used."""
        return self.code == VALID


class FileChecked(msgspec.Struct, frozen=True):
    """What its issuer says of a file (验文件的结果): `seal_holds` over every byte, `genuine`: issued as these very bytes.

    `why` and the failed `step` are of the seal; type, identifier and state are only told of a genuine one.
    """

    seal_holds: bool
    genuine: bool
    step: str
    why: str
    type_name: str = ""
    identifier: str = ""
    org_name: str = ""
    state: str = ""
    state_words: str = ""


class FileJudged(msgspec.Struct, frozen=True):
    """What a clerk may believe of a file (验文件的结论): `valid`, `ended` genuine and no longer usable, `not_issued` sealed but no licence
    of that place, `broken` a seal does not hold (`step`, `why`), `unknown` its issuer could not be asked. `told` only of a genuine one.
    """

    kind: Literal["valid", "ended", "not_issued", "broken", "unknown"]
    where: str = ""
    step: str = ""
    why: str = ""
    told: FileChecked | None = None


class LicenceRefused(msgspec.Struct, frozen=True):
    """Why nothing was given (用证被拒): the service's result code and its words; `why` says what is wrong with the grant."""

    code: str
    why: str = ""

    @property
    def sentence(self) -> str:
        """For the page."""
        return NO_GRANT[self.why] if self.why in NO_GRANT else WORDS.get(self.code, WORDS[NOT_NOW])
