"""What travels at the endpoints 接口的收发: forms parsed once, errors with registered names, nothing cached."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from litestar import Request
from litestar.response import Response

from tongban.identity.errors import ProtocolError
from tongban.identity.rules.requests import MAX_FORM, single

AnyRequest = Request[Any, Any, Any]
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


async def form_of(request: AnyRequest) -> dict[str, str]:
    """The urlencoded body, each parameter once, at most 8 KiB (T-24). Raises ProtocolError."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise ProtocolError("invalid_request", "a urlencoded form is expected")
    body = await request.body()
    if len(body) > MAX_FORM:
        raise ProtocolError("invalid_request", "too large", status=413)
    try:
        return single(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=40))
    except ValueError:
        raise ProtocolError("invalid_request", "not a urlencoded form") from None


def query_of(request: AnyRequest) -> dict[str, str]:
    """The query, each parameter once, at most 8 KiB. Raises ProtocolError."""
    raw = request.scope.get("query_string", b"")
    if len(raw) > MAX_FORM:
        raise ProtocolError("invalid_request", "too large", status=414)
    try:
        return single(parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=40))
    except ValueError:
        raise ProtocolError("invalid_request", "not a query") from None


def problem(error: ProtocolError) -> Response[Any]:
    """An error as OAuth wants it; the description is ASCII and repeats nothing that was sent."""
    headers = {**NO_STORE, **({"DPoP-Nonce": error.nonce} if error.nonce else {})}
    if error.error == "temporarily_unavailable":  # the purses of clients are by the second
        headers["Retry-After"] = "1"
    return Response({"error": error.error, "error_description": error.why}, status_code=error.status, headers=headers)
