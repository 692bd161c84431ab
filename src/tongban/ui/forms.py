"""Forms 表单: read a POST once, checked. A stranger's page cannot send one, and nothing typed is lost.

Three checks, each enough against most attacks: Sec-Fetch-Site / Origin says the request comes from our own page; the
token is an HMAC over the session cookie (or, before sign-in, over a random form cookie), so one browser's token is
worthless in another; the cookies carry the `__Host-` prefix, so no neighbour host can plant them. identity.md 7.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException

from tongban.ui.errors import FormTooLarge, FormUnreadable, StaleForm, StrangeOrigin
from tongban.ui.wiring import wiring

SESSION_COOKIE = "__Host-tb_s"
STAFF_COOKIE = "__Host-tb_staff"
SESSION_COOKIES = (SESSION_COOKIE, STAFF_COOKIE)
STAFF_PATHS = ("/staff", "/desk")
FORM_COOKIE = "__Host-tb_f"
TOKEN_FIELD = "tb_token"  # noqa: S105  the name of a field, not a secret
NONCE_CHARS = 22
LARGEST_FIELD = 100_000


class Upload(msgspec.Struct, frozen=True):
    """One uploaded file (上传的文件): the sender's name and type are claims, the bytes are what counts."""

    name: str
    content_type: str
    data: bytes


class Form(msgspec.Struct, frozen=True):
    """What a page sent (表单内容): text by name, trimmed; files by name."""

    fields: dict[str, tuple[str, ...]]
    files: dict[str, tuple[Upload, ...]]

    def __getitem__(self, name: str) -> str:
        """The first value of a field, "" when it was not sent."""
        values = self.fields.get(name, ())
        return values[0] if values else ""

    def __contains__(self, name: object) -> bool:
        """Whether the field was sent at all."""
        return name in self.fields

    def get(self, name: str, default: str = "") -> str:
        """The first value of a field, or `default` when it was not sent or is empty."""
        return self[name] or default

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field, in the order sent."""
        return self.fields.get(name, ())

    def names(self) -> tuple[str, ...]:
        """The names of all fields sent."""
        return tuple(self.fields)

    def file(self, name: str) -> Upload | None:
        """The first file of that name, None when none was chosen."""
        files = self.files.get(name, ())
        return files[0] if files else None


def mac(secret: bytes, nonce: str, binding: str) -> str:
    """The token's second half: HMAC-SM3 over nonce and cookie, in hex."""
    return hmac.new(secret, f"form\n{nonce}\n{binding}".encode(), lambda: hashlib.new("sm3")).hexdigest()


def binding_of(request: Request[Any, Any, Any]) -> str:
    """What tokens of this browser are bound to: the session cookie, else the form cookie, else nothing yet.

    The desk has a session of its own, so its pages are bound to that one.
    """
    path = request.scope["path"]
    desk = any(path == one or path.startswith(one + "/") for one in STAFF_PATHS)
    return request.cookies.get(STAFF_COOKIE if desk else SESSION_COOKIE) or request.cookies.get(FORM_COOKIE, "")


def token_issuer(request: Request[Any, Any, Any]) -> tuple[Callable[[], str], str | None]:
    """A maker of tokens for this browser, and the form cookie to set with the first one when it has no cookie yet.

    Each token has its own nonce, so a compressed page gives nothing away about the MAC (BREACH).
    """
    fresh = None
    binding = binding_of(request)
    if not binding:
        binding = fresh = secrets.token_urlsafe(24)

    def issue() -> str:
        nonce = secrets.token_urlsafe(16)
        return nonce + mac(wiring(request).secret, nonce, binding)

    return issue, fresh


def token_holds(request: Request[Any, Any, Any], token: str) -> bool:
    """Whether the token was made for this browser as it now is (constant time)."""
    binding = binding_of(request)
    nonce, given = token[:NONCE_CHARS], token[NONCE_CHARS:]
    made = mac(wiring(request).secret, nonce, binding)
    return bool(binding) and hmac.compare_digest(given.encode(), made.encode())


def from_our_page(request: Request[Any, Any, Any]) -> bool:
    """Whether the browser says this POST comes from a page of this very origin.

    Sec-Fetch-Site where the browser sends it, else Origin; a request with neither is a program, which the token stops.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    return origin != "null" and urlsplit(origin).netloc == request.headers.get("host", "")


async def read(request: Request[Any, Any, Any]) -> Form:
    """The fields and files of the body, whatever its encoding; raises FormTooLarge, FormUnreadable."""
    try:
        sent = await request.form()
    except ClientException as error:
        if error.status_code == FormTooLarge.status:
            raise FormTooLarge from error
        raise FormUnreadable from error
    fields: dict[str, list[str]] = {}
    files: dict[str, list[Upload]] = {}
    for name, value in sent.multi_items():
        if isinstance(value, UploadFile):
            data = await value.read()
            if value.filename or data:
                files.setdefault(name, []).append(Upload(value.filename, value.content_type, data))
        else:
            text = str(value)
            if len(text) > LARGEST_FIELD:
                raise FormTooLarge
            # a zero byte is nothing anybody types, and no table takes it
            fields.setdefault(name, []).append(text.replace("\x00", "").replace("\r\n", "\n").strip())
    return Form({k: tuple(v) for k, v in fields.items()}, {k: tuple(v) for k, v in files.items()})


async def form(request: Request[Any, Any, Any], *, token: bool = True) -> Form:
    """Read and check a posted form (读表单): same origin, then token.

    Raises StrangeOrigin (403), StaleForm (the sign-in changed meanwhile: drawn as a page that sends the same fields
    again), FormTooLarge (413), FormUnreadable (400). `token=False` only where a POST has no effect worth forging.
    """
    if not from_our_page(request):
        raise StrangeOrigin
    sent = await read(request)
    given = sent[TOKEN_FIELD]
    kept = {name: values for name, values in sent.fields.items() if name != TOKEN_FIELD}
    if token and not token_holds(request, given):
        raise StaleForm(action=request.url.path, fields=kept, lost_files=bool(sent.files))
    return Form(kept, sent.files)
