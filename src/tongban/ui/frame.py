"""Frame 页面框架: what every page knows about who looks, where, through which channel and in which mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from litestar import Request
from litestar.datastructures import Cookie

from tongban.kernel.actor import NOBODY, Actor
from tongban.ui.wiring import StaffLink, wiring

MODE_COOKIE = "tb_mode"
SIZE_COOKIE = "tb_size"
CHANNEL_COOKIE = "tb_channel"
PLACE_COOKIE = "tb_place"

DISPLAY_COOKIES = (MODE_COOKIE, SIZE_COOKIE, PLACE_COOKIE)
YEAR_SECONDS = 31_536_000

MODES = ("", "elder")
CHANNELS = ("h5", "webview", "kiosk")
SIZES = (100, 115, 130, 150, 175, 200)


class SignInState(msgspec.Struct, frozen=True):
    """What a page should say about the reader's sign-in (登录状态); main puts it into the request's state as `sign_in`.

    `left` is the seconds until the session ends when that is within a day, else 0; `warn` how long before it says so;
    `note` a sentence for the top of the page.
    """

    left: int = 0
    warn: int = 0
    note: str = ""


class Frame(msgspec.Struct):
    """The frame of one page (页面框架); templates read it as `frame`.

    `mode` is "" or "elder"; `channel` is h5, webview or kiosk (PC is h5 at 1024 px and more, by CSS); `size` is the
    text size in per cent; `place` a division code; `path` the address without host, safe to come back to.
    `acting_for` names whom the reader acts for now, `acting_as` is 企业 or 家人; `acting_ended`: that mandate has just ended.
    `year`: days of another one say theirs; 0: none does.
    Reading `token_field` makes the page personal: it sets the browser's form cookie and forbids shared caching.
    """

    path: str
    mode: str
    channel: str
    size: int
    place: str
    place_name: str
    site: str
    organiser: str
    filing: str
    hotline: str
    demo: bool
    name: str
    signed_in: bool
    staff: bool
    unit: str
    unread: int
    staff_links: tuple[StaffLink, ...]
    issue: Callable[[], str]
    name_of: Callable[[str], str]
    token_used: bool = False
    acting_for: str = ""
    acting_as: str = ""
    acting_ended: bool = False
    session: SignInState = SignInState()
    staff_notice: str = ""
    year: int = 0

    @property
    def elder(self) -> bool:
        """Whether the page is in elder mode (长辈版)."""
        return self.mode == "elder"

    @property
    def you(self) -> str:
        """How the page addresses the reader: 你, or 您 in elder mode (ux.md 5)."""
        return "您" if self.elder else "你"

    @property
    def bigger(self) -> int:
        """The next larger text size in per cent, or the same at the end."""
        return SIZES[min(SIZES.index(self.size) + 1, len(SIZES) - 1)]

    @property
    def smaller(self) -> int:
        """The next smaller text size in per cent, or the same at the end."""
        return SIZES[max(SIZES.index(self.size) - 1, 0)]

    def node_name(self, node_id: str) -> str:
        """What people call a node (节点名称): 重庆市, never 500000."""
        return self.name_of(node_id)

    @property
    def ending_in(self) -> int:
        """Seconds until the page without JavaScript says that the sign-in ends (0: it does not end soon)."""
        asks = bool(self.session.left) and self.signed_in and self.channel != "kiosk" and not self.path.startswith("/session/")
        return max(1, self.session.left - self.session.warn) if asks else 0

    @property
    def ending_href(self) -> str:
        """The page with the button 继续用 that comes back here."""
        return "/session/ending?next=" + quote(self.path, safe="/")

    @property
    def sign_in_href(self) -> str:
        """The sign-in page that comes back here."""
        return "/login?next=" + quote(self.path, safe="/")

    @property
    def token_field(self) -> str:
        """The hidden field every posting form carries (synchroniser token 防伪令牌)."""
        self.token_used = True
        return f'<input type="hidden" name="tb_token" value="{self.issue()}">'


def size_of(text: str) -> int:
    """The allowed text size nearest to what was asked in per cent, 100 when it is no number."""
    wanted = int(text) if text.isdigit() and len(text) < 4 else 100
    return min(SIZES, key=lambda one: abs(one - wanted))


def scale_of(text: str) -> int:
    """A container's text factor (`?fs=1.4`, mini-programs) as an allowed size in per cent."""
    try:
        return size_of(str(round(float(text) * 100)))
    except (ValueError, OverflowError):
        return 100


def path_of(request: Request[Any, Any, Any]) -> str:
    """The address of this page without host; for a POST, the path alone."""
    query = request.scope.get("query_string", b"").decode("latin-1")
    path = quote(request.scope["path"], safe="/~@:+,;=")
    return f"{path}?{query}" if query and request.method == "GET" else path


def actor_of(request: Request[Any, Any, Any]) -> Actor:
    """Who asks, as main put it into the request's state; nobody when it did not."""
    found = request.scope.get("state", {}).get("actor")
    return found if isinstance(found, Actor) else NOBODY


def sign_in_of(request: Request[Any, Any, Any]) -> SignInState:
    """What main found out about the reader's sign-in (登录状态)."""
    found = request.scope.get("state", {}).get("sign_in")
    return found if isinstance(found, SignInState) else SignInState()


def own_path(text: str) -> str:
    """The path to come back to when it is one of ours, else the home page: never another host (回到哪里)."""
    parts = urlsplit(text)
    ours = text.startswith("/") and not text.startswith("//") and not parts.netloc
    return text if ours and text.isprintable() and "\\" not in text else "/"


def display_cookies(*, mode: str | None = None, size: int | None = None, place: str | None = None) -> tuple[Cookie, ...]:
    """The cookies that only say how pages look and where (显示习惯): kept a year, read by no script."""
    chosen = ((MODE_COOKIE, mode), (SIZE_COOKIE, size), (PLACE_COOKIE, place))
    return tuple(
        Cookie(key=name, value=str(value), path="/", max_age=YEAR_SECONDS, httponly=True, samesite="lax")
        for name, value in chosen if value is not None
    )


def arrival_cookies(request: Request[Any, Any, Any]) -> tuple[Cookie, ...]:
    """What a container or a kiosk said on the way in (`?channel=webview&fs=1.4`), kept for the pages that follow.

    Until the browser is closed: the next person at a kiosk, or the same phone's own browser, starts afresh.
    """
    query = request.query_params
    found = []
    if query.get("channel") in CHANNELS:
        found.append(Cookie(key=CHANNEL_COOKIE, value=query["channel"], path="/", httponly=True, samesite="lax"))
    if "fs" in query:
        found.append(Cookie(key=SIZE_COOKIE, value=str(scale_of(query["fs"])), path="/", httponly=True, samesite="lax"))
    return tuple(found)


def no_token() -> str:
    """The token of a page that has no posting form; asking for one here is a mistake of the template."""
    raise LookupError("this page was rendered without a form token: answer it with ui.page")


def _open_to(actor: Actor, links: tuple[StaffLink, ...]) -> tuple[StaffLink, ...]:
    """The entries whose page this member of staff can open; the page itself decides again, for the very object."""
    if actor.kind != "staff":
        return ()
    held = frozenset().union(*(one.actions for one in actor.assignments))
    return tuple(one for one in links if not one.opens or not held.isdisjoint(one.opens))


def frame(request: Request[Any, Any, Any], issue: Callable[[], str] = no_token) -> Frame:
    """The frame of this request (页面框架): cookies and parameters, unknown values read as the plain ones.

    Without `issue` the page may not carry a posting form, so that it can be kept for everybody.
    """
    wired = wiring(request)
    actor = actor_of(request)
    cookies, query = request.cookies, request.query_params
    channel = query.get("channel") or cookies.get(CHANNEL_COOKIE, "h5")
    mode = cookies.get(MODE_COOKIE, "")
    size = scale_of(query["fs"]) if "fs" in query else size_of(cookies.get(SIZE_COOKIE, "100"))
    place = cookies.get(PLACE_COOKIE, "")
    place = place if place.isdigit() and len(place) == 6 else wired.place
    return Frame(
        path=path_of(request),
        mode=mode if mode in MODES else "",
        channel=channel if channel in CHANNELS else "h5",
        size=size,
        place=place,
        place_name=wired.place_name(place) or (wired.site if place == wired.place else ""),
        site=wired.site,
        organiser=wired.organiser,
        filing=wired.filing,
        hotline=wired.hotline,
        demo=wired.demo,
        name=actor.name.reveal() if actor.name is not None else "",
        signed_in=actor.kind == "citizen",
        staff=actor.kind == "staff",
        unit=actor.unit,
        unread=int(request.scope.get("state", {}).get("unread", 0)),
        year=wired.today().year if wired.today else 0,
        staff_links=_open_to(actor, wired.staff_links),
        issue=issue,
        acting_for=actor.for_name.reveal() if actor.for_subject and actor.for_name is not None else "",
        acting_as=("企业" if actor.for_subject.startswith("o1") else "家人") if actor.for_subject else "",
        acting_ended=actor.acting_ended,
        session=sign_in_of(request),
        name_of=wired.node_name,
        staff_notice=wired.staff_notice() if actor.kind == "staff" else "",
    )
