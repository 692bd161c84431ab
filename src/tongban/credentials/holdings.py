"""What 电子证照 keeps of people: the wallet goes with the account, the issuer's register stays (R-409, R-804, R-402, R-404)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec

from tongban import federation
from tongban.credentials.model.sharing import WORDS
from tongban.credentials.model.types import STATE_WORD
from tongban.credentials.queries.credentials import GROUP, card_ofd, issued_ofd
from tongban.credentials.queries.types import type_of
from tongban.credentials.rules import showing, templates
from tongban.kernel.copying import UNREADABLE, Field, copier, plain, sealed, time, words
from tongban.kernel.db import Tx
from tongban.kernel.gm import CannotOpen
from tongban.kernel.holdings import Files, Holding, KeptFile, Term, rows_of
from tongban.kernel.node import Node

_YEAR = timedelta(days=365)
_THREE_YEARS = timedelta(days=3 * 366)
_CONTENT = "证照内容"
_REGISTER = "颁发机关的登记，不属于账号；证照作废由颁发机关按规定办"
_PRINTED = {
    "requested": "约上了", "ordered": "约上了", "accepted": "大厅收到了", "printed": "打好了", "spoilt": "要重打", "handed_over": "领走了",
    "expired": "过期了", "returned": "大厅打不了", "cancelled": "停了", "refused": "没约上",
}  # fmt: skip
_PRINT_ENDED = "state IN ('handed_over', 'expired', 'returned', 'cancelled', 'refused') AND changed_at < $1"
_PRINTS = "product: as long as a use record, since a paper may be questioned"


def _kind(heading: str = "证照") -> Field:
    """The name of the type, as it stands on the licence."""

    def read(node: Node, row: Any) -> object:
        kind = type_of(node, row["type_code"]) if row["type_code"] else None
        return kind.name if kind else row["type_code"]

    return Field(heading, read)


def _content(table: str) -> Field:
    """What stands on the licence, field by field; names and numbers of others that stand there too are masked."""

    def read(node: Node, row: Any) -> object:
        try:
            values = msgspec.json.decode(node.cipher.open_bytes(GROUP, f"{table}.data", str(row["id"]), row["data"]), type=dict[str, str])
            own = node.cipher.open("identity", f"{table}.holder_name", str(row["id"]), row["holder_name"]).reveal()
        except CannotOpen:
            return UNREADABLE
        kind = type_of(node, row["type_code"])
        fields = {key: kind.field(key) if kind else None for key in values}
        others = {
            key for key, one in fields.items() if one and one.kind == "name" and values[key] != own and row["holder_kind"] == "natural"
        }
        others |= {f"{key.removesuffix('_name')}_number" for key in others}
        return {
            one.name if one else key: showing.mask(values[key]) if key in others else values[key] for key, one in fields.items() if values[key]
        }

    return Field(_CONTENT, read)


def _holder(table: str) -> Field:
    return sealed("持证主体", "identity", f"{table}.holder_name")


def _act() -> Field:
    def read(_: Node, row: Any) -> object:
        act = templates.acts().get(row["operation"])
        return act.words if act else row["operation"]

    return Field("做了什么", read)


def _papers(table: str, opened: Callable[[Tx, Node, str, str], Awaitable[bytes | None]]) -> Files:
    """The sealed OFD of each licence, as it was issued."""

    async def listed(tx: Tx, node: Node, subject: str) -> list[KeptFile]:
        rows = await tx.fetch(
            f"SELECT id, type_code, identifier, octet_length(ofd) AS size FROM {table} WHERE subject = $1 AND octet_length(ofd) > 0"
            " ORDER BY issued_at DESC, id DESC",
            subject,
        )
        return [KeptFile(row["id"], f"{_name(node, row['type_code'])} {row['identifier']}.ofd", "application/ofd", row["size"]) for row in rows]

    async def one(tx: Tx, node: Node, subject: str, file_id: str) -> bytes | None:
        try:
            return await opened(tx, node, subject, file_id)
        except CannotOpen:
            return None

    return Files(listed, one)


def _name(node: Node, code: str) -> str:
    kind = type_of(node, code)
    return kind.name if kind else "证照"


def _with_type(table: str, column: str, of: str) -> str:
    return f"(SELECT t.*, c.type_code FROM {table} t LEFT JOIN {of} c ON c.subject = t.subject AND c.id = t.{column}) AS {table}"


_DAYS = (time("颁发时间", "issued_at"), plain("有效期起", "valid_from"), plain("有效期止", "valid_until"))

HOLDINGS = (
    Holding(
        table="credential", title="颁发给我的证照",
        copy=copier(
            "credential", _kind(), plain("证照编号", "number"), plain("电子证照标识", "identifier"), plain("颁发机构", "org_name"), _holder("credential"),
            *_DAYS, words("状态", "state", STATE_WORD), time("状态始于", "state_at"), _content("credential"), order="issued_at DESC, id DESC",
        ),
        files=_papers("credential", issued_ofd), sensitive=frozenset({"*"}), not_erased=_REGISTER,
        stays="颁发给你的证照留在颁发机关的登记里，按证照管理规定保存，不随账号注销。", no_term="登记机关按各自的规定长期保存",
    ),
    Holding(
        table="credential_event", title="证照登记经过",
        copy=copier(
            _with_type("credential_event", "credential", "credential"), _kind(), time("时间", "at"), _act(), words("之后的状态", "state", STATE_WORD),
            plain("理由", "reason"), plain("依据", "basis"), order="at DESC, id DESC",
        ),
        not_erased=_REGISTER, no_term="跟着证照登记",
    ),
    Holding(
        table="credential_register_entry", title="证照与登记条目的对应", not_copied="只是两个编号的对应，内容在“颁发给我的证照”里", not_erased=_REGISTER,
        no_term="跟着证照登记",
    ),
    Holding(
        table="credential_card", title="我的证照",
        copy=copier(
            "credential_card", _kind(), plain("证照编号", "number"), plain("电子证照标识", "identifier"), plain("颁发机构", "org_name"),
            _holder("credential_card"), *_DAYS, time("放进卡包", "received_at"), time("上次出示", "used_at"), _content("credential_card"),
            order="received_at DESC, id DESC",
        ),
        files=_papers("credential_card", card_ofd), sensitive=frozenset({"*"}), erase=rows_of("credential_card"), no_term="卡包跟着账号，注销时删除",
    ),
    Holding(
        table="credential_card_event", title="证照经过",
        copy=copier(
            _with_type("credential_card_event", "card", "credential_card"), _kind(), time("时间", "at"), _act(), words("之后的状态", "state", STATE_WORD),
            sealed("理由", "case", "credential_card_event.reason"), plain("依据", "basis"), plain("哪个部门", "office"), order="at DESC, id DESC",
        ),
        erase=rows_of("credential_card_event"), no_term="卡包跟着账号，注销时删除",
    ),
    Holding(
        table="credential_presentation", title="亮证码", not_copied="只管一分钟的码，到期就清；被看过的都在“出示记录”里", erase=rows_of("credential_presentation"),
        term=Term(kept=timedelta(hours=25), past="expires_at < $1", source="product: a code read without network is told within a day"),
    ),
    Holding(
        table="credential_offline", title="离线亮证条目", not_copied="手机密钥的签名条目，一天内有效；被看过的都在“出示记录”里",
        erase=rows_of("credential_offline"),
        term=Term(kept=timedelta(days=7), past="expires_at < $1", source="product: an offline verifier may tell a week later"),
    ),
    Holding(
        table="credential_view", title="出示记录",
        copy=copier(
            _with_type("credential_view", "card", "credential_card"), _kind(), time("时间", "at"), plain("谁看的", "unit"), federation.place("哪里", "node"),
            plain("用来做什么", "purpose"), plain("看了哪几项", "fields"), time("我举报的时间", "reported_at"),
            sealed("我写的", "case", "credential_view.report"), sealed("答复", "case", "credential_view.answer"), order="at DESC, id DESC",
        ),
        erase=rows_of("credential_view"),
        term=Term(
            kept=_YEAR, past="at < $1 AND (reported_at IS NULL OR answered_at IS NOT NULL)",
            source="privacy.md 4: presentation record of the holder's side, 1 year, product; one reported stays until it is answered",
        ),
    ),
    Holding(
        table="credential_report", title="收到的举报", not_copied="举报不带姓名，这里不知道是谁写的；你写的在“出示记录”里", not_erased="举报不带姓名，找不到是谁的",
        term=Term(
            kept=_THREE_YEARS, past="answered_at < $1", subject="", source="privacy.md 4: dispute and evidence 3 years after decision, product"
        ),
    ),
    Holding(
        table="credential_print_order", title="制证登记",
        copy=copier(
            _with_type("credential_print_order", "credential", "credential"), _kind(), time("约的时间", "ordered_at"), plain("在哪领", "hall_name"),
            words("状态", "state", _PRINTED), time("状态始于", "changed_at"), plain("最晚领取", "valid_until"), plain("空白证照编号", "blank_no"),
            order="ordered_at DESC, id DESC",
        ),
        not_erased="颁发机关的制证登记，一张纸对一个空白编号", stays="打印过的纸质证照，制证登记保留 3 年。",
        term=Term(kept=_THREE_YEARS, past=_PRINT_ENDED, source=_PRINTS),
    ),
    Holding(
        table="credential_print_job", title="大厅打印单", not_copied="大厅按单号打印，不记是谁的账号；同一单在“领证单”里",
        not_erased="大厅按单号打印，找不到是谁的账号；办完后文件立即清空", stays="在大厅领过纸质证照的，领取登记上你签的名字保留 3 年。",
        term=Term(kept=_THREE_YEARS, past=_PRINT_ENDED, subject="", source=_PRINTS),
    ),
    Holding(
        table="credential_pickup", title="领证单",
        copy=copier(
            _with_type("credential_pickup", "card", "credential_card"), _kind(), plain("在哪领", "hall_name"), sealed("取件码", "case", "credential_pickup.code"),
            words("状态", "state", _PRINTED), time("状态始于", "changed_at"), plain("最晚领取", "valid_until"), order="changed_at DESC, id DESC",
        ),
        erase=rows_of("credential_pickup"),
        term=Term(kept=_YEAR, past=_PRINT_ENDED, source="product: as the holder's other records of showing"),
    ),
    Holding(
        table="credential_request", title="查证照的记录",
        copy=copier("credential_request", _kind(), federation.place("问过哪里", "issuer"), time("上次问", "asked_at"), order="asked_at DESC, type_code"),
        erase=rows_of("credential_request"), no_term="只记上次问的时间，跟着账号",
    ),
    Holding(
        table="credential_gathering", title="归集证照的记录",
        copy=copier("credential_gathering", federation.place("问过哪里", "issuer"), time("上次问", "asked_at"), order="asked_at DESC, issuer"),
        erase=rows_of("credential_gathering"), no_term="只记上次问的时间，跟着账号",
    ),
    Holding(
        table="credential_use", title="用证记录",
        copy=copier(
            "credential_use", _kind(), time("时间", "at"), plain("谁用的", "who"), sealed("事由", "case", "credential_use.reason"),
            plain("给了哪几项", "fields"), words("结果", "result", WORDS), words("这里是", "side", {"owner": "发证的一方", "caller": "用证的一方"}),
            order="at DESC, id, side",
        ),
        not_erased="谁用过证照要查得到，和“谁用过我的数据”一样保存", stays="哪个部门用过你的证照，用证记录保留 3 年。",
        term=Term(kept=_THREE_YEARS, past="at < $1", source="privacy.md 4: who-used-my-data ledger 3 years, PIPL 56 by analogy [K]"),
    ),
    Holding(
        table="credential_file", title="证照文件的一次性编号", not_copied="只能取一次的编号，到期就清；同一次在“用证记录”里", erase=rows_of("credential_file"),
        term=Term(kept=timedelta(days=1), past="expires_at < $1", source="product: the record of use stays"),
    ),
)  # fmt: skip
