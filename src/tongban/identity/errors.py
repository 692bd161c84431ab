"""Refusals and failures of identity 统一身份认证: stable code, status and the sentence a citizen reads (identity.md 11).

`refusal` makes a value drawn beside a field; `failure` makes an exception drawn as one page or as problem+json.
"""

from __future__ import annotations

from tongban.kernel.errors import Failure, Refusal

SENTENCES: dict[str, tuple[int, str, str]] = {
    "identity.number_check": (422, "身份证号最后一位对不上，请对照证件再看一遍", ""),
    "identity.number_form": (422, "身份证号应该是 18 位，最后一位可以是 X", ""),
    "identity.number_needed": (422, "第一次在这台设备登录，请再填身份证号", ""),
    "identity.number_other": (422, "身份证号和这个手机号登记的不一样。号码换过的，带身份证到大厅改", ""),
    "identity.phone_form": (422, "请填 11 位手机号，或者 18 位身份证号", ""),
    "identity.name_needed": (422, "请填姓名，照证件上的写法", ""),
    "identity.name_mismatch": (422, "姓名和证件号对不上。照证件上的写法填；证件没错就点“去纠错”", ""),
    "identity.register_away": (
        503, "现在查不到户籍登记。你填的都在，我们每隔几分钟再查，查到就告诉你", "先做别的，查到了会给你发消息",
    ),
    "identity.not_in_register": (422, "登记里还没有这张证件，新办的证件常要等几天。也可以带证件去大厅", ""),
    "identity.match_quota": (429, "今天试的次数多了。请带身份证去大厅核对", "也可以明天再试"),
    "identity.code_form": (422, "验证码是 6 位数字", ""),
    "identity.code_wrong": (422, "验证码不对，还能试 {n} 次", ""),
    "identity.code_spent": (410, "试了 5 次都不对，这个验证码作废了，请重新发送", "点“重新发送”"),
    "identity.code_expired": (410, "验证码过了 5 分钟，点“重新发送”", "点“重新发送”"),
    "identity.code_limit": (429, "这台设备发得太多，{t}后再试；也可以用通行密钥或扫码", "过一会儿再试"),
    "identity.too_many": (429, "这个网络登录的人太多，{t}后再试", "过一会儿再试，或者换一个网络"),
    "identity.passkey_failed": (401, "没认出来。再按一次，或换一种方式", "再按一次，或换一种方式"),
    "identity.scan_expired": (410, "二维码过了 1 分钟，刷新再扫", "刷新再扫"),
    "identity.scan_wrong_pick": (403, "数字和电脑上的不一样。不是你在登录，就点“不是我”", "点“不是我”"),
    "identity.level_needed": (403, "办“{item}”要先核验本人，大约 1 分钟", "按页面提示核验"),
    "identity.level_unavailable": (403, "手机上办不了这一步，请带身份证去{hall}", "带身份证去大厅"),
    "identity.face_failed": (422, "没认出来。脸对着光再试一次，或换一种方式", ""),
    "identity.face_away": (503, "人脸核验现在用不了。过一会儿再试，或带身份证去大厅", "你填的都在"),
    "identity.face_consent": (422, "刷脸要你同意才能做。不同意也能办，带身份证去大厅", ""),
    "identity.counter_word": (422, "现场核验码不对，或者过了时间。请对照窗口给的纸条", ""),
    "identity.session_ended": (401, "登录时间到了。再登一次，刚才填的都在", "再登一次"),
    "identity.session_replaced": (401, "这个浏览器里后来又登录过一次，先前那次就停了", "要接着办，再登一次"),
    "identity.signed_out_elsewhere": (401, "你在别处退出了，所以这里也退出了", "要接着办，再登一次"),
    "identity.home_away": (
        503, "{place}暂时连不上。已登录的照常用；这一步等连上再办，不用重填", "过几分钟再试",
    ),
    "identity.hub_away": (200, "全国入口暂时连不上，{place}的业务照常", ""),
    "identity.away_level": (200, "{place}连不上，现在只能看和存草稿，不能提交", ""),
    "identity.account_exists": (409, "你在{place}已有账号，用它登录就行，不用再注册", "用{place}的账号登录"),
    "identity.home_refused": (403, "{place}给的登录凭据核对不上，没有让它登录", "从这里直接登录"),
    "identity.mandate_scope": (403, "{name}没有授权你办这一项。可以请对方加上", "请对方在“我的”里加上这一项"),
    "identity.mandate_wait": (403, "这份代办授权 {time} 起可以提交，现在可以先填好", "先填好，到时间再提交"),
    "identity.mandate_ended": (403, "{name}的代办授权已经停了，这一步没有办", "切回自己，或者请对方再授权一次"),
    "identity.mandate_news": (503, "现在问不到这份授权还算不算数，这一步先没办", "填的都在，过几分钟再试"),
    "identity.mandate_gone": (404, "没有找到这份代办，可能已经停了或过期了", "回到代办列表看一看"),
    "identity.act_at_home": (409, "替别人办事，要在你账号所在的省切换", "到账号所在地的“我的”里切换"),
    "identity.guardian_consent": (422, "替孩子办事前，要勾选监护人同意", ""),
    "identity.guardian_first": (409, "不满 18 岁，这一步要监护人点头。已经发消息给监护人，点头后再来办一次", "等监护人点头，再来办一次"),
    "identity.agent_too_young": (422, "代办的人要满 18 岁", ""),
    "identity.agent_no_account": (422, "对方还没有登录过。请对方先登录一次，再来授权", ""),
    "identity.hall_elsewhere": (422, "授权的人账号在{place}，要到{place}的大厅当面办", ""),
    "identity.agent_self": (422, "不能授权给自己，请填另一个人", ""),
    "identity.items_needed": (422, "选一样要代办的事", ""),
    "identity.item_never": (422, "{item}不能代办：{reason}", ""),
    "identity.acts_needed": (422, "选对方能做什么", ""),
    "identity.days_needed": (422, "选代办到什么时候", ""),
    "identity.under_14": (403, "不满 14 岁由监护人替孩子办，请监护人登录", "监护人登录后，在“我的”里选“替家人办”"),
    "identity.reason_needed": (403, "没有正在办的事项，不能查看这个人", "从办件里打开"),
    "identity.own_case": (403, "这是你自己或家人的事，要请别的同事办", "转给没有关系的同事"),
    "identity.visit_unknown": (422, "没有查到这个人，或者姓名和证号对不上。没有账号的先给他注册", ""),
    "identity.four_eyes": (403, "要另一位同事批准，自己提的自己不能批", "请另一位管理员来批"),
    "identity.plan_already": (409, "已经是这样了，不用再提", "刷新后再看一遍"),
    "identity.audit_why": (422, "选一个为什么要知道是谁", ""),
    "identity.export_gone": (410, "这份导出取过了，或者过了一天，或者不是你提的", "要用就重新提交一次"),
    "identity.proposal_gone": (409, "这一条已经有人处理，或者过期了", "回到清单看一看"),
    "identity.proposal_changed": (409, "内容和提议时不一样，没有办", "请提议人重新提，并报告安全员"),
    "identity.roles_apart": (409, "管理岗和办件岗不能给同一个人：已经有“{role}”", "换一个人，或先收回那个岗位"),
    "identity.role_unknown": (422, "没有这个岗位", ""),
    "identity.staff_no_taken": (422, "这个工号已经有人用", ""),
    "identity.staff_gone": (404, "没有这位同事，或者已经离岗", "回到人员清单看一看"),
    "identity.join_code": (422, "工号或加入码不对，或者码过期了。请找本单位管理员", ""),
    "identity.key_not_listed": (422, "这把密钥的型号不在许可清单里，请用单位发的密钥", ""),
    "identity.emergency_level": (403, "紧急访问要用工作证书，而且是 15 分钟内刚核验过的", "退出后用工作证书重新登录"),
    "identity.emergency_reason": (422, "选一个理由，并写清楚发生了什么，至少 10 个字", ""),
    "identity.emergency_told": (422, "选一位要马上告知的同事，不能是你自己", ""),
    "identity.emergency_over": (403, "这次紧急访问已经结束，不能再看", "还需要的，重新打开一次"),
    "identity.emergency_full": (403, "一次最多看 {most} 个人，已经到了", "需要更多的，请上级另开一次"),
    "identity.emergency_unknown": (422, "没有找到这个办件编号或证件号", ""),
    "identity.emergency_second": (403, "要别人来复核，打开的人和被告知的人都不能自己复核", "请安全员来办"),
    "identity.emergency_delay": (422, "写清法律依据；最多推迟 {most} 天", ""),
    "identity.who_or_place": (422, "请填 11 位手机号、18 位身份证号，或者地名，例如重庆", ""),
    "identity.home_unknown": (422, "没找到用它开的账号。号码没错的话，选一下账号所在地", ""),
    "identity.dispute_attribute": (422, "选一项不对的信息", ""),
    "identity.dispute_decision": (422, "选一项处理意见", ""),
    "identity.dispute_claim": (422, "请填正确的写法", ""),
    "identity.dispute_long": (422, "太长了，最多 {n} 个字", ""),
    "identity.dispute_choice": (422, "请填{choice}", ""),
    "identity.dispute_day": (422, "日期写成 1991-06-12 这样", ""),
    "identity.dispute_running": (422, "这一项已经在纠错，先等答复，或者撤回再提", ""),
    "identity.dispute_many": (422, "最多同时提 {n} 项，先等前面的答复", ""),
    "identity.dispute_files": (422, "最多交 {n} 份材料", ""),
    "identity.dispute_no_files": (422, "这里现在收不了照片。先不交也能提，或者带到大厅", ""),
    "identity.dispute_match_first": (422, "身份还没核对上，只能先提姓名", ""),
    "identity.dispute_visit": (422, "选一天带证件到大厅，60 天以内", ""),
    "identity.dispute_reason": (422, "写清楚理由，本人会看到", ""),
    "identity.dispute_nothing": (422, "登记里已经是这个写法，没有可以更正的", ""),
    "identity.dispute_moved_on": (409, "这一件有人处理过了，内容和刚才看到的不一样", "刷新后再看一遍"),
    "identity.account_moved": (409, "你的账号搬到{place}了，去那里登录就行", "到{place}登录"),
    "identity.move_here": (409, "账号本来就在这里，不用搬", "直接办事就行"),
    "identity.move_level": (403, "搬账号前，要先核验是你本人，大约 1 分钟", "按页面提示核验"),
    "identity.move_refused": (409, "{place}那边现在不让搬：账号在受保护，或者正在搬", "过 24 小时再试，或者带身份证去大厅"),
    "identity.client_unknown": (400, "打开这个页面的应用没有登记，没有交出你的任何信息", "关掉这一页就行"),
    "identity.client_suspended": (403, "这个应用已停用，原因见公告；换别的办法：{link}", "从首页重新找这件事"),
    "identity.request_over": (400, "这次登录已经办完，或者放得太久了", "回到原来的应用，再点一次登录"),
    "identity.request_wrong": (400, "那个应用发来的登录请求不对，没有交出你的任何信息", "回到那个应用再试，还不行就告诉它的客服"),
    "identity.sign_out_wrong": (400, "要去的网址没有登记，没有带你过去", "可以在这里退出登录"),
    "identity.loop": (508, "登录绕了几圈没成功。从这里直接登录", "点“登录”，填手机号"),
    "identity.not_home": (409, "这里不开账号。选你账号所在的省，去那里登录", "选账号所在地"),
    "identity.tx_gone": (410, "这次登录放得太久了，请重新开始", "重新填手机号"),
    "identity.staff_unknown": (403, "这张工作证书没有登记", "请找本单位管理员"),
    "identity.passkey_gone": (404, "没有这个通行密钥，可能已经删掉了", "回到“设备和登录方式”看一看"),
    "identity.passkey_limit": (409, "最多绑 {n} 个通行密钥，先删掉不用的", "在“我的设备”里删一个"),
    "identity.code_form_guarded": (422, "验证码是 {digits} 位数字", ""),
    "identity.phone_reassigned": (403, "这个手机号可能换了人用，不能只凭它登录。用通行密钥，或者点“找回账号”", "点“找回账号”"),
    "identity.new_device_wait": (403, "新设备登录的头一天，先不能改登录方式。核验本人以后马上能改", "先核验本人"),
    "identity.restricted": (403, "这个账号报了手机丢失，{time}前只能看。用通行密钥登录一次就恢复", "用通行密钥登录，或带身份证到大厅"),
    "identity.recovered_wait": (403, "账号刚找回，{time}以后才能做这一步", "到时间再来"),
    "identity.gesture_points": (422, "至少连 5 个点，不要连成一条直线", ""),
    "identity.gesture_wrong": (401, "手势不对，还能试 {n} 次", ""),
    "identity.gesture_gone": (401, "试了 5 次都不对，这台设备的手势已删除，请重新登录", "重新登录"),
    "identity.gesture_busy": (429, "现在解锁的人太多，{t}后再试；也可以重新登录", "过一会儿再试，或重新登录"),
    "identity.voice_failed": (422, "没听出来。安静一点再说一遍，或换一种方式", ""),
    "identity.voice_away": (503, "声纹核验现在用不了。换一种方式，填的都在", "换一种方式"),
    "identity.voice_consent": (422, "用声纹要你单独同意。不同意也能用别的方式登录", ""),
    "identity.voice_new_device": (403, "这台设备没登录过，不能只用声纹。先用验证码登录一次", "用验证码登录"),
    "identity.certificate_failed": (422, "证书没有通过：过期、吊销或不是你的。换一把，或换一种方式", ""),
    "identity.certificate_away": (503, "证书核验现在用不了。过一会儿再试，或带身份证去大厅", "你填的都在"),
    "identity.recover_form": (422, "请填 11 位手机号", ""),
    "identity.recover_code": (422, "验证码不对，还能试 {n} 次", ""),
    "identity.recover_gone": (410, "这次换号放得太久了，请重新开始", "重新开始"),
    "identity.recover_ways": (422, "还要再核验一样，才能马上换号", ""),
    "identity.recover_same": (422, "这就是现在登记的手机号", ""),
    "identity.hall_word": (422, "绑定码不对，或者过了时间。请对照窗口给的纸条，连身份证号一起看一遍", ""),
    "identity.second_clerk": (403, "要另一位同事确认，不能是同一个人", "请另一位同事来确认"),
    "identity.theft_form": (422, "请填姓名和 18 位身份证号", ""),
    "identity.theft_limit": (429, "今天报得太多了。请打 12345，或带身份证到大厅", "打 12345"),
    "identity.device_gone": (404, "没有这台设备，可能已经删掉了", "回到“设备和登录方式”看一看"),
    "identity.fresh_needed": (403, "绑定通行密钥前，要再核对一次是你本人", "再登录一次，马上就能绑"),
}


# Where what the page says can be done: the words and the path of its button.
WAYS: dict[str, tuple[str, str]] = {
    "identity.new_device_wait": ("核验本人", "/step-up?level=3&next=/me/devices"),
    "identity.restricted": ("用通行密钥登录", "/login?again=1&next=/me"),
    "identity.fresh_needed": ("再登录一次", "/login?again=1&next=/me/devices"),
    "identity.session_ended": ("再登一次", "/login?again=1"),
    "identity.session_replaced": ("再登一次", "/login?again=1"),
    "identity.signed_out_elsewhere": ("再登一次", "/login?again=1"),
    "identity.tx_gone": ("重新登录", "/login?again=1"),
    "identity.loop": ("登录", "/login?again=1"),
    "identity.home_refused": ("登录", "/login?again=1"),
    "identity.not_home": ("选账号所在地", "/login/elsewhere"),
    "identity.recover_gone": ("重新开始", "/recover"),
    "identity.passkey_gone": ("设备和登录方式", "/me/devices"),
    "identity.passkey_limit": ("设备和登录方式", "/me/devices"),
    "identity.device_gone": ("设备和登录方式", "/me/devices"),
    "identity.mandate_gone": ("回代办", "/me/agents"),
    "identity.mandate_ended": ("切换身份", "/me/switch"),
    "identity.mandate_scope": ("切换身份", "/me/switch"),
    "identity.act_at_home": ("切换身份", "/me/switch"),
}


def refusal(code: str, field: str | None = None, *, wait: int | None = None, **words: object) -> Refusal:
    """A refusal drawn beside `field` 不予通过的一处; `words` fill the sentence. KeyError for an unknown code.

    `wait` is seconds until it may be tried again; the sentence says it at {t}.
    """
    said = {"t": waiting(wait)} if wait is not None else {}
    return Refusal(code=code, sentence=SENTENCES[code][1].format(**said, **words), field=field, wait=wait)


def not_matched(why: str) -> Refusal:
    """What the register's answer means to whoever typed name and number 没对上的原因, beside the field it is about."""
    known = {"name_differs": ("identity.name_mismatch", "name"), "not_found": ("identity.not_in_register", "number")}
    return refusal(*known.get(why, ("identity.match_quota", "number")))


def failure(code: str, *, retry_after: int | None = None, **words: object) -> Failure:
    """A failure to raise 办不下去的一步, with the status and sentence of `code`. KeyError for an unknown code."""
    status, sentence, todo = SENTENCES[code]
    return Failure(
        code,
        status=status,
        sentence=sentence.format(**words),
        todo=(todo or "照提示改好再试").format(**words),
        retry_after=retry_after,
        link=WAYS.get(code),
    )


def waiting(seconds: int) -> str:
    """A waiting time in words 等多久: 30 秒, 5 分钟, 2 小时."""
    if seconds < 60:
        return f"{seconds} 秒"
    if seconds < 3600:
        return f"{-(-seconds // 60)} 分钟"
    return f"{-(-seconds // 3600)} 小时"


class ProtocolError(Exception):
    """An OpenID Connect or OAuth error 协议错误: `error` is its registered name, `why` is ASCII and repeats no input.

    `nonce` is a DPoP nonce to answer with; `redirect` a verified address the error may go to, with its `state`.
    """

    def __init__(self, error: str, why: str, *, status: int = 400, nonce: str = "", redirect: str = "", state: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.why = why
        self.status = status
        self.nonce = nonce
        self.redirect = redirect
        self.state = state


class TokenRefused(Exception):
    """A token, assertion or proof that must not be believed 不认的令牌; `why` is ASCII and repeats no input."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class NonceWanted(TokenRefused):
    """A proof whose clock is off 时钟不准的证明: the same device may try again with a nonce of ours (RFC 9449 section 8)."""
