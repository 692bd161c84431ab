"""Registers 登记: the population register and the register of organisations, where this node keeps them.

They are the registrar's by law, not the account's: a person gets a copy and corrects them, and no closing of an account touches them.
"""

from __future__ import annotations

from tongban import federation
from tongban.identity.holdings.disputes import WHICH
from tongban.kernel.copying import copier, plain, says, sealed, several, time, words
from tongban.kernel.holdings import Holding

_REGISTRAR = "登记机关依法保存的登记，不属于账号"
_TERM = "登记机关按各自的法律保存"
STAYS = "户籍、企业登记这些由登记机关依法保存，不随账号注销。"


HOLDINGS = (
    Holding(
        table="register_entry", title="人口登记",
        copy=copier(
            "register_entry", sealed("姓名", "identity", "register_entry.name", "subject"), sealed("证件号码", "sensitive", "register_entry.number", "subject"),
            sealed("性别", "identity", "register_entry.sex", "subject"), sealed("出生日期", "identity", "register_entry.born", "subject"),
            sealed("民族", "identity", "register_entry.nation", "subject"), sealed("住址", "identity", "register_entry.address", "subject"),
            words("有没有照片", "photo_held", {True: "有", False: "没有"}), plain("登记时间", "since"), federation.place("账号所在地", "home"), order="subject",
        ),
        sensitive=frozenset({"证件号码"}), not_erased=_REGISTRAR, stays=STAYS, no_term=_TERM,
    ),
    Holding(
        table="register_version", title="更正以前的登记",
        copy=copier(
            "register_version", WHICH, sealed("原来写的", "sensitive", "register_version.value", "dispute"), plain("用到哪天", "ended_on"),
            time("更正时间", "at"), order="at DESC, attribute",
        ),
        sensitive=frozenset({"原来写的"}), not_erased=_REGISTRAR, no_term=_TERM,
    ),
    Holding(
        table="guardian_entry", title="监护关系登记",
        copy=several(*(
            copier(
                "guardian_entry", says("你是", part), sealed("关系", "identity", "guardian_entry.relation", "subject", "guardian_subject"),
                plain("从哪天起", "since"), time("结束时间", "ended_at"), where=f"{column} = $1", order="since DESC",
            )
            for part, column in (("被监护人", "subject"), ("监护人", "guardian_subject"))
        )),
        not_erased=_REGISTRAR, no_term=_TERM,
    ),
    Holding(
        table="org_entry", title="企业登记里的法定代表人",
        copy=copier(
            "org_entry", plain("企业", "name"), plain("统一社会信用代码", "code"), plain("状态", "status"), plain("登记日期", "registered_on"),
            sealed("法定代表人", "identity", "org_entry.legal_name", "subject"), sealed("证件号码", "sensitive", "org_entry.legal_number", "subject"),
            where="legal_subject = $1", order="registered_on DESC, code",
        ),
        sensitive=frozenset({"证件号码"}), not_erased=_REGISTRAR, no_term=_TERM,
    ),
)  # fmt: skip
