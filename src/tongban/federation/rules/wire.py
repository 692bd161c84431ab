"""Letters on the wire 信件的写法: heads, signatures, bodies for one reader (federation.md 5.1)."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from tongban.kernel.gm import (
    Sm2PublicKey,
    b64,
    digest,
    jcs,
    parse_json,
    sm3,
    sm4_gcm_decrypt,
    sm4_gcm_encrypt,
    unb64,
)
from tongban.kernel.gm.errors import BadEncoding, CannotOpen

LETTER_BYTES = 256 * 1024
ABOUT_LONGEST = 80
MOST_VERSIONS = 2**31 - 1
ENCODING = "sm2-sm4-gcm"
_KIND = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,3}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_NODE = re.compile(r"[a-z0-9]{2,16}")
_DIGEST = re.compile(r"sm3:[A-Za-z0-9_-]{43}")


class Malformed(Exception):
    """Bytes from another node that are not what the protocol says; `code` names what is wrong, never their content."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Place(msgspec.Struct, frozen=True):
    """A letter's place in a stream: number and digest of its head."""

    seq: int
    digest: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The signed part of a letter 信头; `origin` is `from` on the wire."""

    v: int
    id: str
    origin: str = msgspec.field(name="from")
    to: str
    epoch: int
    seq: int
    prev: Place | None
    kind: str
    kind_version: int
    about: str
    at: int
    body: str


class Sealed(msgspec.Struct, frozen=True):
    """A letter as it travels 在途信件: the head's canonical bytes, who signed them, and the wire body if it is there."""

    head: Head
    head_bytes: bytes
    digest: str
    kid: str
    signature: str
    body: bytes | None

    @property
    def position(self) -> tuple[int, int]:
        return self.head.epoch, self.head.seq


def node_id(text: object) -> str:
    """`text` as a node id, or Malformed."""
    if not isinstance(text, str) or not _NODE.fullmatch(text):
        raise Malformed("node_id")
    return text


def check_kind(kind: str) -> None:
    """ValueError unless `kind` is `<domain>.<fact>` in lower-case words."""
    if not _KIND.fullmatch(kind):
        raise ValueError(f"not a letter kind: {kind}")


def head_bytes(head: Head) -> bytes:
    """JCS of the head: what is signed, and what its digest is of."""
    return jcs(msgspec.to_builtins(head))


def parse_letter(value: object) -> Sealed:
    """A letter from another node, its head canonical and every field of the right kind; Malformed otherwise.

    Nothing is verified here but the size and the shape: no key is asked.
    """
    if not isinstance(value, dict):
        raise Malformed("letter_shape")
    raw_head, sig, body = value.get("head"), value.get("sig"), value.get("body")
    if not isinstance(raw_head, dict) or not isinstance(sig, dict):
        raise Malformed("letter_shape")
    try:
        head = msgspec.convert(raw_head, Head, strict=True)
        canonical = jcs(raw_head)
        wire_body = None if body is None else jcs(body)
    except (msgspec.ValidationError, BadEncoding) as error:
        raise Malformed("letter_head") from error
    kid, signature = sig.get("kid"), sig.get("value")
    if not isinstance(kid, str) or not isinstance(signature, str):
        raise Malformed("letter_signature")
    _check_head(head)
    if len(canonical) + len(wire_body or b"") > LETTER_BYTES:
        raise Malformed("letter_size")
    return Sealed(head, canonical, digest(canonical), kid, signature, wire_body)


def _check_head(head: Head) -> None:
    node_id(head.origin)
    if head.to != "*":
        node_id(head.to)
    whole = (
        head.v == 1
        and _UUID.fullmatch(head.id)
        and _KIND.fullmatch(head.kind)
        and 0 < len(head.about) <= ABOUT_LONGEST
        and head.about.isprintable()  # as its sender promises: no table takes a zero byte, and what no table takes would hold up all behind it
        and _DIGEST.fullmatch(head.body)
        and head.seq >= 1
        and head.epoch >= 1
        and 1 <= head.kind_version <= MOST_VERSIONS
        and head.at >= 0
    )
    if not whole or (head.prev and not (1 <= head.prev.seq < head.seq and _DIGEST.fullmatch(head.prev.digest))):
        raise Malformed("letter_head")


def write_letter(head: bytes, kid: str, signature: str, body: bytes | None) -> bytes:
    """The letter's JSON from the bytes that are kept: the same bytes for every reader and every relay."""
    text = b'{"head":' + head + b',"sig":' + jcs({"kid": kid, "value": signature})
    return text + (b',"body":' + body + b"}" if body is not None else b"}")


def body_fits(letter: Sealed) -> bool:
    """Whether the body that came, if one came, is the one the head names."""
    return letter.body is None or digest(letter.body) == letter.head.body


def signed_by(letter: Sealed, key: Sm2PublicKey) -> bool:
    """Whether `key` signed this head."""
    return verify(key, letter.head_bytes, letter.signature)


def verify(key: Sm2PublicKey, data: bytes, signature: str) -> bool:
    """Whether `signature` (base64url of exactly 64 bytes) is the key's over `data`; bad encodings are simply false."""
    try:
        return key.verify(data, unb64(signature, length=64))
    except BadEncoding:
        return False


# ---- bodies for one reader -----------------------------------------------------------------------------------


def aad(*, id: str, origin: str, to: str, kind: str, kind_version: int, about: str) -> bytes:  # noqa: A002
    """What ties an encrypted body to its head: moved to another letter it does not open (threat N-5)."""
    return jcs({"id": id, "from": origin, "to": to, "kind": kind, "kind_version": kind_version, "about": about})


def seal_body(plain: bytes, associated: bytes, readers: Mapping[str, Sm2PublicKey]) -> bytes:
    """`plain` for the holders of `readers` (kid → key): SM4-GCM under a fresh key, the key under SM2 for each.

    The sender is one of the readers: after a restore it must read its own letters that come home (federation.md 13.5).
    """
    key, iv = secrets.token_bytes(16), secrets.token_bytes(12)
    text, tag = sm4_gcm_encrypt(key, iv, plain, associated)
    return jcs(
        {
            "enc": ENCODING,
            "iv": b64(iv),
            "ct": b64(text),
            "tag": b64(tag),
            "keys": [{"kid": kid, "ek": b64(public.encrypt(key))} for kid, public in readers.items()],
        }
    )


class _KeyEntry(msgspec.Struct, frozen=True):
    kid: str
    ek: str


class _Body(msgspec.Struct, frozen=True):
    enc: Literal["sm2-sm4-gcm"]
    iv: str
    ct: str
    tag: str
    keys: list[_KeyEntry]


def is_sealed(body: Mapping[str, Any]) -> bool:
    return body.get("enc") == ENCODING


def open_body(body: bytes, associated: bytes, unwrap: Callable[[str, bytes], bytes | None]) -> dict[str, Any]:
    """The real body of a letter; an open one is returned as it is.

    `unwrap(kid, ek)` opens an SM2 ciphertext with the private key of that id, or answers None when it holds no such
    key. Raises CannotOpen when no entry is ours or the text was changed, Malformed when the shape is wrong.
    """
    value = parse_json(body)
    if not isinstance(value, dict):
        raise Malformed("letter_body")
    if not is_sealed(value):
        return value
    try:
        sealed = msgspec.convert(value, _Body, strict=True)
        for entry in sealed.keys:
            key = unwrap(entry.kid, unb64(entry.ek))
            if key is not None:
                break
        else:
            raise CannotOpen("federation.no_key_entry", "no key entry of this node")
        plain = sm4_gcm_decrypt(
            key, unb64(sealed.iv, length=12), unb64(sealed.ct), unb64(sealed.tag, length=16), associated
        )
        opened = parse_json(plain)
    except (msgspec.ValidationError, BadEncoding) as error:
        raise Malformed("letter_body") from error
    if not isinstance(opened, dict):
        raise Malformed("letter_body")
    return opened


def letter_aad(head: Head) -> bytes:
    return aad(
        id=head.id, origin=head.origin, to=head.to, kind=head.kind, kind_version=head.kind_version, about=head.about
    )


# ---- ids -----------------------------------------------------------------------------------------------------


def derived_id(kind: str, to: str, cause: str) -> str:
    """The id of an automatic reaction 派生信号: UUIDv8 of SM3(kind ‖ to ‖ id of the causing letter).

    Doing the reaction again makes the same letter, so it has its effect once (federation.md 5.1).
    """
    return as_uuid8(sm3((kind + to + cause).encode()))


def as_uuid8(hashed: bytes) -> str:
    """The first 16 bytes of a hash as a UUID of version 8 (RFC 9562)."""
    raw = bytearray(hashed[:16])
    raw[6] = (raw[6] & 0x0F) | 0x80
    raw[8] = (raw[8] & 0x3F) | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


# ---- head statements and epoch letters --------------------------------------------------------------------------


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What an origin says it has sent 末尾声明: everything committed before `at` is stamped, up to `seq`."""

    v: int
    origin: str
    epoch: int
    seq: int
    at: int
    streams: dict[str, Place]


class SignedStatement(msgspec.Struct, frozen=True):
    statement: Statement
    canonical: bytes
    kid: str
    signature: str
    whole: bytes


def parse_statement(value: object) -> SignedStatement:
    """A head statement from another node; Malformed when it is not one. Not verified."""
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("head_statement"), dict)
        or not isinstance(value.get("sig"), dict)
    ):
        raise Malformed("head_statement")
    try:
        statement = msgspec.convert(value["head_statement"], Statement, strict=True)
        canonical = jcs(value["head_statement"])
        whole = jcs(value)
    except (msgspec.ValidationError, BadEncoding) as error:
        raise Malformed("head_statement") from error
    node_id(statement.origin)
    kid, signature = value["sig"].get("kid"), value["sig"].get("value")
    if statement.v != 1 or not isinstance(kid, str) or not isinstance(signature, str):
        raise Malformed("head_statement")
    return SignedStatement(statement, canonical, kid, signature, whole)
