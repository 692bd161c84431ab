"""What 数据共享 keeps of people: corrections that were asked for, the demo registers, and logs that name nobody (R-409, R-804, R-401)."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from tongban import federation
from tongban.exchange.providers.records import COLUMN
from tongban.exchange.queries.complaints import ANSWER, TOLD, WORDS
from tongban.exchange.queries.desk import CLAIMED, GROUNDS
from tongban.kernel.copying import Field, copier, plain, sealed, time, words
from tongban.kernel.holdings import Holding, Term

_THREE_YEARS = timedelta(days=3 * 366)
_NOBODY = "只记节点、数据项目和摘要，不记是谁"

HOLDINGS = (
    Holding(
        table="data_correction", title="登记信息核查",
        copy=copier(
            "data_correction", time("提出时间", "sent_at"), federation.place("对方", "peer"),
            Field("哪一项", lambda _, row: f"{row['resource']} {row['field']}"), sealed("应当是", "sensitive", CLAIMED, "id", "side", joint="."),
            sealed("凭什么", "case", GROUNDS, "id", "side", joint="."),
            words("结果", "state", {"sent": "在核查", "checked": "在核查", "corrected": "已更正", "kept": "核查后没有改"}), plain("答复", "answer"),
            time("最近变化", "changed_at"), order="sent_at DESC, side",
        ),
        sensitive=frozenset({"应当是"}),
        not_erased="核查一项登记要有来龙去脉，答复以后还可能复议", stays="办事单位替你提出的登记核查，答复后保留 3 年。",
        term=Term(
            kept=_THREE_YEARS, past="state IN ('corrected', 'kept') AND changed_at < $1",
            source="privacy.md 4: dispute and evidence 3 years after decision, product",
        ),
    ),
    Holding(
        table="use_complaint", title="这不是我办的",
        copy=copier(
            "use_complaint", time("什么时候说的", "sent_at"), sealed("哪一次使用", "case", TOLD, "id", "side", joint="."),
            sealed("你写的", "case", WORDS, "id", "side", joint="."), federation.place("哪儿答复", "peer"), plain("最晚答复", "due_on"),
            sealed("答复", "case", ANSWER, "id", "side", joint="."), time("答复时间", "answered_at"), where="subject = $1 AND side = 'person'",
            order="sent_at DESC, id DESC",
        ),
        not_erased="投诉和答复要留着，答复以后还可能复议", stays="说过“这不是我办的”和它的答复，答复后保留 3 年。",
        term=Term(
            kept=_THREE_YEARS, past="state = 'answered' AND answered_at < $1",
            source="privacy.md 4: dispute and evidence 3 years after decision, product",
        ),
    ),
    Holding(
        table="demo_record", title="演示登记",
        copy=copier(
            "demo_record", plain("哪份登记", "resource"), sealed("内容", "sensitive", COLUMN, show=msgspec.json.decode), time("登记到", "made_at"),
            order="resource",
        ),
        sensitive=frozenset({"内容"}), not_erased="登记属于登记机关，不属于账号（演示登记，内容是编的）",
        stays="婚姻、社保、不动产、学历、车辆这些登记由登记机关依法保存，不随账号注销。", no_term="登记机关按各自的规定保存",
    ),
    Holding(
        table="exchange_message", title="共享日志", not_copied=_NOBODY, not_erased=_NOBODY,
        term=Term(kept=_THREE_YEARS, past="at < $1", source="privacy.md 4: message log 3 years (国令809号: no figure found)", subject=""),
    ),
    Holding(
        table="data_consent_ended", title="收到的撤回", not_copied=_NOBODY, not_erased=_NOBODY,
        term=Term(kept=_THREE_YEARS, past="at < $1", source="privacy.md 4: message log 3 years (国令809号: no figure found)", subject=""),
    ),
)  # fmt: skip
