"""Errors on pages 出错: one page for every failure: what happened, what is safe, what to do, whom to ask, the trace id."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException
from litestar.response import Response

from tongban.kernel.errors import Failure, LevelNeeded, SignInNeeded, StaffNeeded
from tongban.kernel.log import log, log_failure
from tongban.ui.frame import actor_of, path_of


class StrangeOrigin(Failure):
    """The POST does not come from a page of this site (来路不对)."""

    code = "ui.strange_origin"
    status = 403

    def __init__(self) -> None:
        super().__init__(sentence="这次提交不是从本站页面发出的", todo="从本站首页重新打开这一页，再提交一次")


class StaleForm(Failure):
    """The form was opened before the sign-in changed (页面放久了); its fields are kept and can be sent again."""

    code = "ui.stale_form"
    status = 403

    def __init__(self, *, action: str, fields: dict[str, tuple[str, ...]], lost_files: bool) -> None:
        self.action = action
        self.fields = fields
        self.lost_files = lost_files
        todo = "文件要重新选一次" if lost_files else "看一眼右上角是不是你本人，再点“接着提交”"
        super().__init__(sentence="这一页打开以后，登录变过。你填的都在，还没有交上去", todo=todo)


class FormTooLarge(Failure):
    """The body is larger than this page takes (太大)."""

    code = "ui.form_too_large"
    status = 413

    def __init__(self) -> None:
        super().__init__(sentence="交上来的东西太大，没有收下", todo="文件一份最大 10 MB。照片可以用手机的“缩小”再传")


class FormUnreadable(Failure):
    """The body is no form (读不懂)."""

    code = "ui.form_unreadable"
    status = 400

    def __init__(self) -> None:
        super().__init__(sentence="交上来的内容读不出来，没有收下", todo="返回上一页，再提交一次")


class PlainFailure(Failure):
    """A failure of the web framework in our words (框架的错误)."""

    code = "kernel.request"
    status = 400


SENTENCES = {
    400: ("kernel.bad_request", "这个请求读不懂", "返回上一页再试一次"),
    401: ("kernel.sign_in_needed", "这一页要先登录", "登录以后再打开"),
    403: ("kernel.forbidden", "这一页你现在不能看", "换一个有权限的身份再试"),
    404: ("kernel.not_found", "没有找到这一页", "看看地址是不是抄全了，或者从首页搜一搜"),
    405: ("kernel.method", "这个地址不能这样打开", "从首页重新走一遍"),
    413: ("kernel.too_large", "交上来的东西太大，没有收下", "文件一份最大 10 MB。照片可以用手机的“缩小”再传"),
    429: ("kernel.too_many", "点得太快了", "等一会儿再试，刚才填的都在"),
    503: ("kernel.unavailable", "这里暂时忙不过来", "等一会儿再试，刚才填的都在"),
}


class ErrorPage(msgspec.Struct, frozen=True):
    """The page of one failure (出错页)."""

    title: str
    status: int
    sentence: str
    todo: str
    ask: str
    code: str
    trace: str
    retry_after: int | None = None
    action: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    link: tuple[str, str] | None = None
    back: str = "/"
    back_label: str = "返回首页"
    nav_title: str = "出错了"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The same for machines, RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    trace: str


def trace_of(request: Request[Any, Any, Any]) -> str:
    """The trace id of this request, made when main has not given one."""
    state = request.scope.setdefault("state", {})
    return str(state.setdefault("trace", secrets.token_hex(8)))


def at_desk(request: Request[Any, Any, Any]) -> bool:
    """Whether a page of the desk failed: its reader keeps the desk's navigation."""
    return actor_of(request).kind == "staff" and request.scope["path"].startswith(("/staff", "/desk"))


def wants_page(request: Request[Any, Any, Any]) -> bool:
    """Whether a person looks: a browser asks for HTML, a machine does not."""
    return "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith("/api/")


def failure_response(request: Request[Any, Any, Any], failure: Failure) -> Response[Any]:
    """Answer a Failure (出错): to the sign-in or step-up when that is all it takes, else the error page or problem+json."""
    from tongban.ui.rendering import page, see_other

    trace = trace_of(request)
    headers = {"X-Trace-Id": trace}
    if failure.retry_after is not None:
        headers["Retry-After"] = str(failure.retry_after)
    answer: Response[Any]
    if not wants_page(request):
        problem = Problem("about:blank#" + failure.failure_code, failure.sentence, failure.http_status, failure.todo, trace)
        answer = Response(
            msgspec.json.encode(problem), status_code=failure.http_status, media_type="application/problem+json"
        )
    elif (there := way_in(request, failure)) is not None:
        answer = see_other(there)
    else:
        template = "ui/staff_error.html" if at_desk(request) else "ui/error.html"
        answer = page(request, template, error_page(failure, trace), status=failure.http_status)
        answer.headers["Cache-Control"] = "no-store"
    answer.headers.update(headers)
    return answer


def way_in(request: Request[Any, Any, Any], failure: Failure) -> str | None:
    """Where a visitor who only has to show who they are goes, None for all other failures."""
    back = path_of(request) if request.method in {"GET", "HEAD"} else request.headers.get("referer", "/")
    if back.startswith(str(request.base_url)):
        back = "/" + back[len(str(request.base_url)) :]
    back = quote(back if back.startswith("/") and not back.startswith("//") else "/", safe="/")
    if isinstance(failure, SignInNeeded):
        return f"/login?next={back}"
    if isinstance(failure, LevelNeeded):
        return f"/step-up?level={failure.level}&next={back}"
    if isinstance(failure, StaffNeeded):
        return f"/staff/login?next={back}"
    return None


def error_page(failure: Failure, trace: str) -> ErrorPage:
    """The page Struct of a failure; a stale form keeps its fields for sending again."""
    stale = failure if isinstance(failure, StaleForm) and not failure.lost_files else None
    fields = tuple((name, one) for name, values in stale.fields.items() for one in values) if stale else ()
    return ErrorPage(
        title="出错了：" + failure.sentence,
        status=failure.http_status,
        sentence=failure.sentence,
        todo=failure.todo,
        ask=failure.ask,
        code=failure.failure_code,
        trace=trace,
        retry_after=failure.retry_after,
        action=stale.action if stale else "",
        fields=fields,
        link=failure.link,
    )


def on_failure(request: Request[Any, Any, Any], failure: Failure) -> Response[Any]:
    """Handler of our own failures."""
    if failure.http_status >= 500:
        log("ui.failure", code=failure.failure_code, status=failure.http_status)
    return failure_response(request, failure)


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Handler of the framework's errors: no such page, wrong method, too large."""
    code, sentence, todo = SENTENCES.get(error.status_code, SENTENCES[400])
    if error.status_code >= 500 and error.status_code not in SENTENCES:
        return on_exception(request, error)
    answer = failure_response(request, PlainFailure(code, status=error.status_code, sentence=sentence, todo=todo))
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


def on_exception(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Handler of everything else: nothing internal reaches the page, the trace id finds it in the log."""
    trace = trace_of(request)
    log_failure("ui.crash", error, trace=trace)
    sentence = "我们这边出了错，不是你的问题"
    return failure_response(request, Failure("kernel.crash", sentence=sentence, ask=f"还是不行，打 12345，报这个编号：{trace}"))


exception_handlers = {Failure: on_failure, HTTPException: on_http_exception, Exception: on_exception}
