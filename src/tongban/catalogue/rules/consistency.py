"""Consistency rules 一致性检查: each has an id, a severity, a place, a fix. `error` blocks publication.

C-01 … C-08 are the rules of a real provincial checker (standards.md 1); C-1x belong to codes and the basic catalogue
(四级四同); C-2x to the form (T-81, ux.md 1.4, R-804); C-3x to what people must be told; C-4x are findings of
R-206 (精简材料), shown to the author, never blocking.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator

from tongban.catalogue.model import NEVER_PREFILLED, BasicItem, Definition, Field, Finding, Item, Limit, Severity
from tongban.catalogue.rules.result import SPECIALS, sources_of
from tongban.kernel import ids

Found = tuple[str, str, str]
"""Where, what, how to mend it."""
Rule = Callable[[Item], Iterator[Found]]
RULES: list[tuple[str, Severity, Rule]] = []

PHONE = re.compile(r"0\d{2,3}-\d{5,8}(-\d{1,5})?")
GRAVITY: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}
NONE_WORDS = frozenset({"", "无"})
BANNED = ("温馨提示", "尊敬的用户", "网络开小差", "敬请谅解", "予以", "申请人须", "逾期", "办结")
LONGEST_SENTENCE = 40
SENTENCE = re.compile(r"[。；！？\n]")
SAID_TWICE_EXEMPT = frozenset({"bool", "declaration", "consent", "signature"})
WORKING_TO_CALENDAR = 7 / 5


def _rule(rule_id: str, severity: Severity = "error") -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        RULES.append((rule_id, severity, rule))
        return rule

    return register


@_rule("C-01")
def visit_needs_reason(item: Item) -> Iterator[Found]:
    """到现场次数不为 0 时必须写明原因."""
    if item.visits.times != 0 and item.visits.reason.strip() in NONE_WORDS:
        yield "visits", f"要到现场 {item.visits.times} 次，却没有写原因", "写明哪一步必须到现场、为什么，或者改成 0 次"


@_rule("C-02")
def no_visit_no_reason(item: Item) -> Iterator[Found]:
    """到现场次数为 0 时原因必须是无."""
    if item.visits.times == 0 and item.visits.reason.strip() not in NONE_WORDS:
        yield "visits", "不用到现场，却写了到现场的原因", "把原因改成“无”，或者写对次数"


@_rule("C-03")
def offline_without_visit_by_post(item: Item) -> Iterator[Found]:
    """不到现场又不能网办时必须支持邮寄申请."""
    if item.visits.times == 0 and not item.online and not item.apply_by_post:
        yield "apply_by_post", "不能网上办也不用到现场，却不支持邮寄申请", "打开邮寄申请，或者开通网上办理"


@_rule("C-04")
def online_means_no_visit(item: Item) -> Iterator[Found]:
    """全程网办 ⇒ 到现场次数为 0."""
    if "online" in item.modes and item.visits.times != 0:
        yield "modes", f"写了全程网办，却要到现场 {item.visits.times} 次", "去掉全程网办，或者把到现场次数减到 0"


@_rule("C-05")
def fee_is_explained(item: Item) -> Iterator[Found]:
    """收费 ⇒ 依据、项目、标准、网上支付."""
    if not item.fee.charged:
        return
    if not item.fee.basis:
        yield "fee.basis", "收费却没有写依据", "写上收费依据的文件名和文号"
    if not item.fee.lines:
        yield "fee.lines", "收费却没有写项目和标准", "每个收费项目写一行，金额用分"
    if not item.fee.pay_online:
        yield "fee.pay_online", "收费却不能网上支付", "开通网上支付"


@_rule("C-06")
def phones_differ(item: Item) -> Iterator[Found]:
    """咨询电话和投诉电话不同，都带区号."""
    for name in ("consult", "complaint"):
        number = getattr(item.contact, name)
        if not PHONE.fullmatch(number):
            yield f"contact.{name}", f"电话 {number} 没有区号或写法不对", "写成 028-12345678 这样，带区号"
    if item.contact.consult == item.contact.complaint:
        yield "contact", "咨询电话和投诉电话是同一个", "分别写两个不同的电话"


def _calendar_days(limit: Limit) -> float:
    return limit.days * (WORKING_TO_CALENDAR if limit.unit == "working" else 1)


@_rule("C-07")
def promise_within_law(item: Item) -> Iterator[Found]:
    """承诺时限 ≤ 法定时限."""
    promised, statutory = item.promised_limit, item.statutory_limit
    if promised and statutory and _calendar_days(promised) > _calendar_days(statutory):
        yield "promised_limit", "承诺的时限比法律规定的还长", f"承诺最多 {statutory.days} 天"


@_rule("C-08")
def instant_is_instant(item: Item) -> Iterator[Found]:
    """即办件承诺 0 或 1 天."""
    limit = item.promised_limit or item.statutory_limit
    if item.project_type == "instant" and (limit is None or limit.days > 1):
        yield "project_type", "写的是即办件，承诺却不是当天", "承诺时限改成 0 或 1 天，或者改成承诺件"


@_rule("C-11")
def codes_agree(item: Item) -> Iterator[Found]:
    """实施编码 = 统一社会信用代码 + 行使层级 + 基本编码, and each is well formed."""
    try:
        ids.CreditCode.parse(item.organisation.code)
    except ValueError:
        yield "organisation.code", "实施主体的统一社会信用代码校验位不对", "对照证书再抄一遍，共 18 位"
    try:
        ids.ItemCode.parse(item.task_code)
    except ValueError:
        yield "task_code", "实施编码不对", "共 31 位：18 位信用代码、1 位行使层级、12 位基本编码"
    whole = item.organisation.code + item.use_level + item.catalog_code
    if item.task_code != whole:
        yield "task_code", "实施编码和它的三个组成部分对不上", f"按组成部分应该是 {whole}"
    if item.catalog_code[2:4] != item.item_type:
        yield "item_type", f"事项类型 {item.item_type} 和基本编码里的 {item.catalog_code[2:4]} 不一样", "改成一样的"


@_rule("C-12")
def demo_is_marked(item: Item) -> Iterator[Found]:
    """演示代码的实施主体名称里必须写演示 (D-9)."""
    if (item.codes_are_demo or item.organisation.demo) and "演示" not in item.organisation.name:
        yield "organisation.name", "代码是演示用的，名称里却没有写“演示”", "名称后面加上“（演示）”"


@_rule("C-21")
def every_field_says_why(item: Item) -> Iterator[Found]:
    """没有用途、依据或来源的字段不许发布 (T-81)."""
    for where, field in _fields(item):
        if not field.purpose:
            yield f"{where}.purpose", f"“{field.label}”没有写为什么要问", "写一句用途，不需要的就删掉这个字段"
        if not field.basis:
            yield f"{where}.basis", f"“{field.label}”没有写依据", "写上要求它的条款或文件"


@_rule("C-22")
def never_prefilled(item: Item) -> Iterator[Found]:
    """声明、同意、签名和收款账号不许预填 (ux.md 1.4)."""
    for where, field in _fields(item):
        if field.kind in NEVER_PREFILLED and field.prefill:
            yield f"{where}.prefill", f"“{field.label}”不能替人填", "删掉 prefill，由本人填写"


@_rule("C-23")
def names_are_unique(item: Item) -> Iterator[Found]:
    """字段名、步骤名、材料名不重复."""
    groups = (
        ("form.steps", [step.name for step in item.form.steps]),
        ("form", [field.name for field in item.form.fields]),
        ("materials", [material.name for material in item.materials]),
    )
    for where, names in groups:
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield where, f"名字 {name} 用了不止一次", "改成不同的名字"


@_rule("C-24")
def choices_are_offered(item: Item) -> Iterator[Found]:
    """选择题有选项，表格有列."""
    for where, field in _fields(item):
        if field.kind in {"select", "multiselect"} and not field.options:
            yield f"{where}.options", f"“{field.label}”是选择题，却没有选项", "写上 options"
        if field.kind == "table" and not field.columns:
            yield f"{where}.columns", f"“{field.label}”是表格，却没有列", "写上 columns"


@_rule("C-25")
def result_can_be_made(item: Item) -> Iterator[Found]:
    """证照的每一项都有来处."""
    known = {field.name for field in item.form.fields}
    for entry, template in item.result.data.items():
        for source in sorted(sources_of(template) - SPECIALS - known):
            yield f"result.data.{entry}", f"结果里的“{entry}”要用 {source}，表里没有", "改成表里的字段名，或者用 @ 开头的已知值"
    if item.result.credential_type and not item.result.data:
        yield "result.data", f"结果是{item.result.credential_type}，却没有写证照内容从哪来", "写上 result.data"


@_rule("C-26")
def division_field_is_a_region(item: Item) -> Iterator[Found]:
    """决定属地的字段必须是必填的行政区划."""
    if item.division_field:
        field = item.form.field(item.division_field)
        if field is None or field.kind != "region" or not field.required:
            yield "division_field", "决定由哪个区县办的字段要是必填的行政区划", "指向一个 kind 为 region 的必填字段"


@_rule("C-31")
def people_are_told(item: Item) -> Iterator[Found]:
    """依据、条件、救济途径、渠道都要写."""
    wanted = (
        ("legal_basis", bool(item.legal_basis), "没有写设定依据", "至少写一部法律、法规或文件"),
        ("conditions", bool(item.conditions), "没有写受理条件", "写明谁能办、要满足什么"),
        ("channels", bool(item.channels), "没有写办理渠道", "至少开放一个渠道"),
        ("steps", bool(item.steps), "没有写办理流程", "在 flow.yaml 里写环节"),
        ("result.name", bool(item.result.name), "没有写办理结果", "写明办完拿到什么"),
    )
    yield from ((where, what, fix) for where, good, what, fix in wanted if not good)
    kinds = {remedy.kind for remedy in item.remedies}
    if kinds != {"review", "lawsuit"}:
        yield "remedies", "行政复议和行政诉讼没有写全", "复议写到哪个机关，诉讼写到哪个法院，各写期限"
    if not 1 <= item.acr <= 4:
        yield "acr", f"核验级别 {item.acr} 不存在", "写 1 到 4"
    if item.online and not set(item.channels) & {"h5", "pc", "webview"}:
        yield "channels", "写了可以网办，却没有开放手机或电脑", "加上 h5 或 pc"


@_rule("C-32", "warning")
def words_are_plain(item: Item) -> Iterator[Found]:
    """给群众看的话要好懂 (ux.md 5)."""
    texts = [(f"{where}.label", field.label) for where, field in _fields(item)]
    texts += [(f"{where}.hint", field.hint) for where, field in _fields(item)]
    texts += [(f"faq[{n}].a", one.a) for n, one in enumerate(item.faq)]
    texts += [(f"conditions[{n}]", one) for n, one in enumerate(item.conditions)]
    for where, text in texts:
        for word in BANNED:
            if word in text:
                yield where, f"用了“{word}”", "换成大家平时说的话"
        longest = max((len(part) for part in SENTENCE.split(text)), default=0)
        if longest > LONGEST_SENTENCE:
            yield where, f"有一句 {longest} 个字，太长", f"拆成几句，每句不超过 {LONGEST_SENTENCE} 个字"


@_rule("C-33", "note")
def unverified_is_sample(item: Item) -> Iterator[Found]:
    """没有核实的内容只作样例展示."""
    for group, state in sorted(item.verified.items()):
        if state not in {"yes", "not_applicable"}:
            yield f"verified.{group}", f"{group} 还没有核实（{state}）", "由当地核对后改成 yes；在那之前页面写“样例”"


@_rule("C-41", "note")
def material_could_be_spared(item: Item) -> Iterator[Found]:
    """材料可以不交而没有设 (R-206)."""
    for n, material in enumerate(item.materials):
        if material.necessity == "needed" and not material.replaceable_by and material.kind != "other":
            yield f"materials[{n}]", f"“{material.title}”只能上传", "看看能否用电子证照、部门共享或承诺代替"
        if material.copies:
            yield f"materials[{n}].copies", f"“{material.title}”还要 {material.copies} 份纸件", "有电子件的可以不收纸件"


@_rule("C-42", "note")
def asked_twice(item: Item) -> Iterator[Found]:
    """同一个问题问了两次 (R-206)."""
    pairs = itertools.combinations(_fields(item), 2)
    for (_, first), (where, second) in pairs:
        same = first.label == second.label and first.kind not in SAID_TWICE_EXEMPT
        if same or (first.prefill and first.prefill == second.prefill and first.kind == second.kind):
            yield where, f"“{second.label}”和“{first.label}”问的是同一件事", "合成一个字段"


def _fields(item: Item) -> list[tuple[str, Field]]:
    return [
        (f"form.steps[{s}].fields[{f}]", field)
        for s, step in enumerate(item.form.steps)
        for f, field in enumerate(step.fields)
    ]


def _against_basic(item: Item, basic: BasicItem) -> Iterator[Found]:
    """四级四同: name, code, type and basis are those of the basic catalogue [standards.md 1]."""
    if item.name != basic.name:
        yield "name", f"事项名称和基本目录的“{basic.name}”不一样", "用基本目录的名称，地方叫法写到 aliases"
    if item.catalog_code != basic.catalog_code:
        yield "catalog_code", "基本编码和基本目录不一样", f"改成 {basic.catalog_code}"
    if item.item_type != basic.item_type:
        yield "item_type", "事项类型和基本目录不一样", f"改成 {basic.item_type}"
    named = {one.name for one in item.legal_basis}
    missing = [name for name in basic.legal_basis if name not in named]
    if missing:
        yield "legal_basis", f"设定依据缺少基本目录里的《{missing[0]}》", "把它加上，地方依据写在后面"


def findings(subject: Item | Definition, basic: BasicItem | None = None) -> tuple[Finding, ...]:
    """Everything the rules find in an item, gravest first (检查结果); () when it is whole.

    `where` names the part, and the file and line too when a Definition is given. With `basic`, also the four samenesses
    (C-10). A definition without an accepted and a refused example is found by C-27.
    """
    item = subject.item if isinstance(subject, Definition) else subject
    lines = subject.lines if isinstance(subject, Definition) else {}
    found = [
        Finding(rule_id, severity, _place(where, lines), what, fix)
        for rule_id, severity, rule in RULES
        for where, what, fix in rule(item)
    ]
    if basic is not None:
        found += [Finding("C-10", "error", _place(where, lines), what, fix) for where, what, fix in _against_basic(item, basic)]
    if isinstance(subject, Definition):
        refused = [example for example in subject.examples if example.refused]
        if not refused or len(refused) == len(subject.examples):
            found.append(
                Finding("C-27", "error", "examples", "样例不全：要有办得成的，也要有被挡下的", "在 examples/ 里各写一个")
            )
    return tuple(sorted(found, key=lambda one: (GRAVITY[one.severity], one.rule)))


def _place(where: str, lines: dict[str, str]) -> str:
    """The part's path, with file and line of the nearest part that stands in a file."""
    path = where
    while path:
        if path in lines:
            return f"{lines[path]} {where}"
        cut = max(path.rfind("."), path.rfind("["))
        path = path[:cut] if cut > 0 else ""
    return where
