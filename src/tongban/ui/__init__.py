"""界面 ui: the frame every page stands in, its tokens, components and forms (R-106, R-707).

Guide: 建设指南 四(一)4 界面交互、内容朗读、操作提示、语音辅助; 适老化 大字版、语音版、简洁版.
Nouns: Frame (mode, channel, place, who), Wiring (what main tells us), Upload, Form, Option, Line.
Front door: a page renders one Struct; a form is read and checked in one call; a POST ends in a 303.

    @get("/hello")
    async def hello(request: Request) -> Response:
        return ui.page(request, "space/hello.html", Hello(title="你好"))

    @post("/hello")
    async def say(request: Request) -> Response:
        form = await ui.form(request)          # Origin, token and size are checked here
        ...
        return ui.see_other("/hello")

Components are macros in templates/ui/components/; docs/components.md lists their signatures.
"""

from tongban.ui.errors import FormTooLarge, StaleForm, StrangeOrigin, exception_handlers, failure_response
from tongban.ui.forms import SESSION_COOKIES, Form, Upload, form, from_our_page
from tongban.ui.frame import DISPLAY_COOKIES, Frame, SignInState, display_cookies, frame, own_path
from tongban.ui.headers import before_send, content_security_policy
from tongban.ui.keeping import keep, kept
from tongban.ui.model import Option
from tongban.ui.rendering import environment, page, render, see_other
from tongban.ui.routes import ROUTES, Route, page_paths
from tongban.ui.static import asset
from tongban.ui.wiring import StaffLink, Wiring, wire, wiring

__all__ = [
    "DISPLAY_COOKIES",
    "ROUTES",
    "SESSION_COOKIES",
    "Form",
    "FormTooLarge",
    "Frame",
    "Option",
    "Route",
    "SignInState",
    "StaffLink",
    "StaleForm",
    "StrangeOrigin",
    "Upload",
    "Wiring",
    "asset",
    "before_send",
    "content_security_policy",
    "display_cookies",
    "environment",
    "exception_handlers",
    "failure_response",
    "form",
    "frame",
    "from_our_page",
    "keep",
    "kept",
    "own_path",
    "page",
    "page_paths",
    "render",
    "see_other",
    "wire",
    "wiring",
]
