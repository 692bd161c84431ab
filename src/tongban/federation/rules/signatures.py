"""HTTP message signatures 报文签名 (RFC 9421), the one profile of federation.md 4: label `tb`, `sm2-sm3`, fixed parts.

The parser is strict: it reads exactly what `sign_request` and `sign_answer` write. What an outside library says about
these bytes is in tests/test_signatures_judge.py.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tongban.kernel.gm import Signer, Sm2PublicKey, sm3

LABEL: Final = "tb"
ALG: Final = "sm2-sm3"
CALL_TAG: Final = "tongban-call-1"
ANSWER_TAG: Final = "tongban-answer-1"
SKEW_SECONDS: Final = 30
LONGEST_SECONDS: Final = 60
LIFE_SECONDS: Final = 30

_START: Final = ("@method", "@path", "@query")
_CONTENT: Final = ("content-digest", "content-type")
_NODES: Final = ("tongban-from", "tongban-to", "tongban-budget")
GET_PARTS: Final = (*_START, *_NODES)
POST_PARTS: Final = (*_START, *_CONTENT, *_NODES)
EFFECT_PARTS: Final = (*POST_PARTS, "idempotency-key")
ANSWER_PARTS: Final = ("@status", *_CONTENT, "tongban-from", "tongban-directory")
_REQUEST_SIGNATURE: Final = '"signature";req;key="tb"'
_ANSWER_NAMES: Final = " ".join([*(f'"{part}"' for part in ANSWER_PARTS), _REQUEST_SIGNATURE])

_INPUT = re.compile(r'tb=(?P<params>\((?P<parts>[ -~]*?)\)(?P<rest>(?:;[a-z]+=(?:[0-9]{1,12}|"[ !#-\[\]-~]{0,64}"))*))')
_PARAM = re.compile(r';([a-z]+)=(?:([0-9]{1,12})|"([^"]*)")')
_SIGNATURE = re.compile(r"tb=:([A-Za-z0-9+/]{86}==):")
_DIGEST = re.compile(r"sm3=:([A-Za-z0-9+/]{43}=):")
_KID = re.compile(r"[a-z0-9]{2,16}/[a-z0-9-]{1,16}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{22}")


class BadMessage(Exception):
    """A signature that does not hold; `code` is a row of the problem table."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Parameters(msgspec.Struct, frozen=True):
    """What a signature says about itself; times are Unix seconds. `raw` is the text that the base repeats."""

    parts: tuple[str, ...]
    created: int
    expires: int
    nonce: str
    keyid: str
    raw: str

    @property
    def node(self) -> str:
        return self.keyid.split("/", 1)[0]


def content_digest(body: bytes) -> str:
    """`Content-Digest: sm3=:…:` over the content before content coding (RFC 9530 form, own label)."""
    return f"sm3=:{base64.b64encode(sm3(body)).decode()}:"


def _base(parts: Sequence[tuple[str, str]], params: str) -> bytes:
    lines = [f"{name}: {value}" for name, value in parts]
    return "\n".join([*lines, f'"@signature-params": {params}']).encode("ascii")


def _values(names: Sequence[str], known: Mapping[str, str], headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each component with its value; a component without a value fails."""
    found: list[tuple[str, str]] = []
    for name in names:
        value = known[name] if name.startswith("@") else headers.get(name)
        if value is None:
            raise BadMessage("bad_signature")
        found.append((f'"{name}"', value.strip()))
    return found


def _params(names: str, created: int, expires: int, nonce: str | None, keyid: str, tag: str) -> str:
    fresh = f';nonce="{nonce}"' if nonce is not None else ""
    return f'({names});created={created};expires={expires}{fresh};keyid="{keyid}";alg="{ALG}";tag="{tag}"'


def _written(signature: bytes) -> str:
    return f"tb=:{base64.b64encode(signature).decode()}:"


# ---- requests ------------------------------------------------------------------------------------------------


def request_base(
    *, method: str, path: str, query: str, headers: Mapping[str, str], parts: Sequence[str], params: str
) -> bytes:
    """The signature base of a request; `query` without its question mark, `headers` by lower-case name."""
    known = {"@method": method, "@path": path, "@query": f"?{query}"}
    return _base(_values(parts, known, headers), params)


def sign_request(
    signer: Signer,
    *,
    method: str,
    path: str,
    query: str = "",
    to: str,
    budget_ms: int,
    body: bytes | None,
    idempotency_key: str | None,
    now: int,
    nonce: str,
) -> dict[str, str]:
    """All headers of a signed request (签名请求). `now` Unix seconds, `nonce` base64url of 16 random bytes."""
    headers = {"tongban-from": signer.kid.split("/", 1)[0], "tongban-to": to, "tongban-budget": str(budget_ms)}
    parts: tuple[str, ...] = GET_PARTS
    if body is not None:
        headers |= {"content-digest": content_digest(body), "content-type": "application/json"}
        parts = POST_PARTS
        if idempotency_key is not None:
            headers["idempotency-key"] = idempotency_key
            parts = EFFECT_PARTS
    names = " ".join(f'"{part}"' for part in parts)
    params = _params(names, now, now + LIFE_SECONDS, nonce, signer.kid, CALL_TAG)
    base = request_base(method=method, path=path, query=query, headers=headers, parts=parts, params=params)
    return headers | {"signature-input": f"tb={params}", "signature": _written(signer.sign(base))}


def read_request_parameters(headers: Mapping[str, str]) -> Parameters:
    """What the request's signature claims, nothing verified yet; BadMessage when there is none or it is not readable."""
    parts, values, raw = _read_input(headers.get("signature-input", ""))
    if values.keys() != {"created", "expires", "nonce", "keyid", "alg", "tag"}:
        raise BadMessage("bad_signature")
    if not _KID.fullmatch(values["keyid"]) or not _NONCE.fullmatch(values["nonce"]):
        raise BadMessage("bad_signature")
    if values["alg"] != ALG or values["tag"] != CALL_TAG:
        raise BadMessage("bad_signature")
    names = tuple(part.strip('"') for part in parts)
    return Parameters(
        names, _number(values["created"]), _number(values["expires"]), values["nonce"], values["keyid"], raw
    )


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadMessage("bad_signature") from None


def _read_input(text: str) -> tuple[list[str], dict[str, str], str]:
    match = _INPUT.fullmatch(text.strip())
    if match is None:
        raise BadMessage("bad_signature")
    pairs = _PARAM.findall(match["rest"])
    names = [name for name, _, _ in pairs]
    if len(set(names)) != len(names):
        raise BadMessage("bad_signature")
    return match["parts"].split(" "), {name: number or text for name, number, text in pairs}, match["params"]


def check_parts(parameters: Parameters, method: str, headers: Mapping[str, str]) -> None:
    """All required components, in their order, and no other; an Idempotency-Key that came must be covered."""
    wanted = GET_PARTS if method == "GET" else EFFECT_PARTS if "idempotency-key" in headers else POST_PARTS
    if parameters.parts != wanted:
        raise BadMessage("bad_signature")


def check_window(created: int, expires: int, now: int) -> None:
    """Created ≤ now + 30 s, expires ≥ now − 30 s, 0 < expires − created ≤ 60 s; else `stale`."""
    if created > now + SKEW_SECONDS or expires < now - SKEW_SECONDS or not 0 < expires - created <= LONGEST_SECONDS:
        raise BadMessage("stale")


def check_digest(body: bytes, header: str | None) -> None:
    """The content is the one that `Content-Digest` names; else `bad_digest`."""
    if header is None or not _DIGEST.fullmatch(header.strip()) or content_digest(body) != header.strip():
        raise BadMessage("bad_digest")


def signature_value(headers: Mapping[str, str]) -> str | None:
    """The `tb` member of `Signature` as a byte sequence (`:…:`), or None when there is none that can be read."""
    text = headers.get("signature", "").strip()
    return text.removeprefix("tb=") if _SIGNATURE.fullmatch(text) else None


def _signature_bytes(headers: Mapping[str, str]) -> bytes:
    match = _SIGNATURE.fullmatch(headers.get("signature", "").strip())
    if match is None:
        raise BadMessage("bad_signature")
    try:
        return base64.b64decode(match[1], validate=True)
    except (binascii.Error, ValueError):
        raise BadMessage("bad_signature") from None


def check_request_signature(
    key: Sm2PublicKey, parameters: Parameters, *, method: str, path: str, query: str, headers: Mapping[str, str]
) -> None:
    """The signature is the key's over this very request; else `bad_signature`."""
    base, signature = request_signature(parameters, method=method, path=path, query=query, headers=headers)
    if not key.verify(base, signature):
        raise BadMessage("bad_signature")


def request_signature(parameters: Parameters, *, method: str, path: str, query: str, headers: Mapping[str, str]) -> tuple[bytes, bytes]:
    """What was signed of this very request, and the signature it carries. Raises BadMessage when either cannot be read."""
    base = request_base(
        method=method, path=path, query=query, headers=headers, parts=parameters.parts, params=parameters.raw
    )
    return base, _signature_bytes(headers)


# ---- answers -------------------------------------------------------------------------------------------------


def answer_base(*, status: int, headers: Mapping[str, str], request_signature: str, params: str) -> bytes:
    """The signature base of an answer; the last component ties it to one request (federation.md 4)."""
    parts = _values(ANSWER_PARTS, {"@status": str(status)}, headers)
    return _base([*parts, (_REQUEST_SIGNATURE, request_signature)], params)


def answer_to_sign(
    kid: str, *, status: int, body: bytes, content_type: str, directory: int, request_signature: str, now: int
) -> tuple[dict[str, str], bytes]:
    """The headers of an answer but its signature, and what is to be signed (待签应答). `request_signature` is `signature_value` of the request."""
    headers = {
        "content-digest": content_digest(body),
        "content-type": content_type,
        "tongban-from": kid.split("/", 1)[0],
        "tongban-directory": str(directory),
    }
    params = _params(_ANSWER_NAMES, now, now + LIFE_SECONDS, None, kid, ANSWER_TAG)
    base = answer_base(status=status, headers=headers, request_signature=request_signature, params=params)
    return headers | {"signature-input": f"tb={params}"}, base


def with_signature(headers: Mapping[str, str], signature: bytes) -> dict[str, str]:
    """All headers of a signed answer (签名应答): those of `answer_to_sign` with what was made over its bytes."""
    return {**headers, "signature": _written(signature)}


def sign_answer(
    signer: Signer, *, status: int, body: bytes, content_type: str, directory: int, request_signature: str, now: int
) -> dict[str, str]:
    """All headers of a signed answer where the key is at hand; a busy node has its signatures made next door."""
    headers, base = answer_to_sign(
        signer.kid, status=status, body=body, content_type=content_type, directory=directory, request_signature=request_signature, now=now
    )
    return with_signature(headers, signer.sign(base))


def read_answer_parameters(headers: Mapping[str, str]) -> Parameters:
    """What the answer's signature claims; BadMessage when the answer is not one of this protocol."""
    parts, values, raw = _read_input(headers.get("signature-input", ""))
    if parts != [*(f'"{part}"' for part in ANSWER_PARTS), _REQUEST_SIGNATURE]:
        raise BadMessage("bad_signature")
    if values.keys() != {"created", "expires", "keyid", "alg", "tag"} or not _KID.fullmatch(values["keyid"]):
        raise BadMessage("bad_signature")
    if values["alg"] != ALG or values["tag"] != ANSWER_TAG:
        raise BadMessage("bad_signature")
    return Parameters(tuple(parts), _number(values["created"]), _number(values["expires"]), "", values["keyid"], raw)


def check_answer(
    key: Sm2PublicKey, parameters: Parameters, *, status: int, headers: Mapping[str, str], body: bytes,
    request_signature: str, now: int,
) -> None:  # fmt: skip
    """The answer is that of `key` to this one request, whole and fresh; BadMessage otherwise."""
    check_window(parameters.created, parameters.expires, now)
    check_digest(body, headers.get("content-digest"))
    base = answer_base(status=status, headers=headers, request_signature=request_signature, params=parameters.raw)
    if not key.verify(base, _signature_bytes(headers)):
        raise BadMessage("bad_signature")
