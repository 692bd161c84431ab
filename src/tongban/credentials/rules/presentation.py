"""The presentation `GZ1:` 扫码亮证 (decisions D-4): COSE_Sign1, SM2, signed by the holder's home node.

`GZ1:` + Base45(COSE_Sign1). Protected header {alg: -65537 (SM2 with SM3, private), kid}; payload is CBOR with CWT labels
where they exist (iss 1, exp 4, iat 6, cti 7) and one private label, -65537, for the rest; docs/presentation.md lists it.
Signature before contents; an algorithm is never taken from the token but pinned. A code made without network is an
array of three around such a message (rules/offline.py); which of the two it is must agree with what the home signed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final, Protocol, Required, TypedDict, Unpack

import cbor2
import msgspec

from tongban.credentials.model import STATE_CODE, STATE_OF_CODE, Shown, Unreadable
from tongban.credentials.rules import base45, offline
from tongban.kernel.gm import Sm2PublicKey

PREFIX: Final = "GZ1:"
LIFETIME_SECONDS: Final = 60
SKEW_SECONDS: Final = 30
ALG_SM2: Final = -65537
CLAIM: Final = -65537
LONGEST_TEXT: Final = 2400
ANY_PURPOSE: Final = "any"
_headers: dict[bytes, str] = {}
_LATEST: Final = 1 << 33  # the year 2242

_BROKEN: Final = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
    EOFError,
    cbor2.CBORError,
)

KeyOf = Callable[[str, int], Sm2PublicKey | None]
"""(kid, Unix seconds) → the node key that is good at that time by the directory, or None."""


class Signs(Protocol):
    """The home node's signing key (a Signer)."""

    @property
    def kid(self) -> str: ...
    def sign(self, data: bytes) -> bytes: ...


def signed_bytes(protected: bytes, payload: bytes) -> bytes:
    """What is signed (签名内容): COSE Sig_structure ["Signature1", protected, external_aad = empty, payload] (RFC 9052 4.4), written by hand."""
    return b"\x84\x6aSignature1" + _bstr(protected) + b"\x40" + _bstr(payload)


def _bstr(data: bytes) -> bytes:
    size = len(data)
    if size < 24:
        return bytes((0x40 | size,)) + data
    if size < 256:
        return bytes((0x58, size)) + data
    return b"\x59" + size.to_bytes(2, "big") + data


class Claimed(TypedDict, total=False):
    """What a presentation says of a credential (出示内容). Attributes are by field number; `purpose` and `mark` may be left out."""

    issuer: Required[str]
    org_code: Required[str]
    org_name: Required[str]
    type_code: Required[str]
    opaque: Required[bytes]
    attributes: Required[Mapping[int, str]]
    state: Required[str]
    state_at: Required[datetime]
    valid_until: Required[date | None]
    purpose: str
    mark: bytes


def encode(key: Signs, *, home: str, at: datetime, jti: bytes, **claimed: Unpack[Claimed]) -> str:
    """The text of one presentation, good for 60 seconds from `at` (生成出示码)."""
    return PREFIX + base45.encode(_sign(key, home, int(at.timestamp()), LIFETIME_SECONDS, jti, _claim(claimed)))


def encode_entry(key: Signs, *, home: str, at: datetime, jti: bytes, device: bytes, **claimed: Unpack[Claimed]) -> bytes:
    """One entry for a key of the holder's phone, good for 24 hours from `at` (离线出示条目): worth nothing without that key."""
    return _sign(key, home, int(at.timestamp()), offline.ENTRY_SECONDS, jti, _claim(claimed) | {12: device})


def _sign(key: Signs, home: str, iat: int, seconds: int, jti: bytes, claim: dict[int, Any]) -> bytes:
    payload = cbor2.dumps({1: home, 4: iat + seconds, 6: iat, 7: jti, CLAIM: claim})
    protected = cbor2.dumps({1: ALG_SM2, 4: key.kid.encode()})
    signature = key.sign(signed_bytes(protected, payload))
    return cbor2.dumps([protected, {}, payload, signature])


def _claim(said: Claimed) -> dict[int, Any]:
    until, mark = said["valid_until"], said.get("mark", b"")
    claim: dict[int, Any] = {
        1: said["issuer"], 2: said["org_code"], 3: said["org_name"], 4: said["type_code"], 5: said["opaque"],
        6: dict(sorted(said["attributes"].items())), 7: STATE_CODE[said["state"]],  # type: ignore[index]  # a State
        8: int(said["state_at"].timestamp()), 9: until.isoformat() if until else "", 10: said.get("purpose", ANY_PURPOSE),
    }  # fmt: skip
    return claim | {11: mark} if mark else claim


class Opened(msgspec.Struct, frozen=True):
    """A well-formed text and the key that must have signed it (待验签的码): what is left is the signature, and then `judged`."""

    kid: str
    key: Sm2PublicKey
    protected: bytes
    payload: bytes
    signature: bytes
    device: offline.Device | None

    @property
    def signed(self) -> bytes:
        """What the signature is over."""
        return signed_bytes(self.protected, self.payload)


def opened(text: str, key_of: KeyOf, now: float) -> Opened | Unreadable:
    """A scanned text taken apart, nothing of it believed yet (拆码). `now`: Unix seconds. Never raises."""
    if not text.startswith(PREFIX):
        return Unreadable("not_ours")
    found = _open(text)
    if found is None:
        return Unreadable("malformed")
    kid, protected, payload, signature, device = found
    key = key_of(kid, int(now))
    return Opened(kid, key, protected, payload, signature, device) if key is not None else Unreadable("unknown_key", kid.partition("/")[0])


def judged(found: Opened, now: float, *, true: bool) -> Shown | Unreadable:
    """What the text says, if its signature was found `true` and its contents and time hold (判码). Never raises."""
    home, device = found.kid.partition("/")[0], found.device
    if not true:
        return Unreadable("bad_signature", home)
    try:
        body = cbor2.loads(found.payload)
        shown, device_key = _shown(found.kid, body), body[CLAIM].get(12)
    except _BROKEN:
        return Unreadable("malformed", home)
    if shown.home != home or (device_key is None) != (device is None):
        return Unreadable("bad_signature", home)
    if device is not None:
        return _by_phone(shown, device, device_key, now)
    begin, end = shown.issued_at.timestamp(), shown.expires_at.timestamp()
    if now > end or not 0 < end - begin <= LIFETIME_SECONDS:
        return Unreadable("too_old", home)
    return Unreadable("not_yet", home) if begin > now + SKEW_SECONDS else shown


def read(text: str, key_of: KeyOf, now: float) -> Shown | Unreadable:
    """What a scanned text says, if its signature and its time hold (验出示码). `now`: Unix seconds. Never raises.

    Order: form, key of the directory, signature, contents, time. The verifier's clock may be 30 s behind; nothing is
    taken after exp.
    """
    found = opened(text, key_of, now)
    return judged(found, now, true=found.key.verify(found.signed, found.signature)) if isinstance(found, Opened) else found


def _by_phone(entry: Shown, device: offline.Device, key: Any, now: float) -> Shown | Unreadable:
    """An entry with what the phone signed (离线码): the phone's key, its time within the entry's, 60 seconds."""
    if type(key) is not bytes or not offline.device_holds(device, key):
        return Unreadable("bad_signature", entry.home)
    begin, last = entry.issued_at.timestamp(), entry.expires_at.timestamp()
    end = min(device.iat + LIFETIME_SECONDS, last)
    if now > end or not 0 < last - begin <= offline.ENTRY_SECONDS or device.iat < begin - SKEW_SECONDS:
        return Unreadable("too_old", entry.home)
    if device.iat > now + SKEW_SECONDS:
        return Unreadable("not_yet", entry.home)
    return msgspec.structs.replace(entry, issued_at=_moment(device.iat), expires_at=_moment(int(end)), jti=device.jti, offline=True, signed_at=entry.issued_at)


def _open(text: str) -> tuple[str, bytes, bytes, bytes, offline.Device | None] | None:
    """kid, protected header, payload, signature and the phone's part of a well-formed text, or None."""
    if len(text) > LONGEST_TEXT:
        return None
    device = None
    try:
        message = cbor2.loads(base45.decode(text[len(PREFIX) :]))
        if len(message) == 3:
            device = offline.device_part(message)
            message = cbor2.loads(device.entry)
        protected, unprotected, payload, signature = message
        kid = _headers.get(protected) or _kid(protected)
    except _BROKEN:
        return None
    good = (
        kid and unprotected == {} and type(payload) is bytes and type(signature) is bytes and type(protected) is bytes
    )
    return (kid, protected, payload, signature, device) if good else None


def _kid(protected: bytes) -> str:
    """The kid of a protected header that says exactly what we pin; remembered, as a node's codes all carry the same."""
    header = cbor2.loads(protected)
    if header.keys() != {1, 4} or header[1] != ALG_SM2:
        return ""
    kid: str = header[4].decode("ascii")
    if len(_headers) >= 256:
        _headers.clear()
    _headers[protected] = kid
    return kid


def _shown(kid: str, body: Any) -> Shown:
    claim = body[CLAIM]
    attributes = claim[6]
    for number, value in attributes.items():
        if type(number) is not int or type(value) is not str:
            raise TypeError("attributes are texts by number")
    opaque, jti = claim[5], body[7]
    if type(opaque) is not bytes or len(opaque) != 16 or type(jti) is not bytes or len(jti) != 8:
        raise TypeError("opaque id or cti")
    texts = (body[1], claim[1], claim[2], claim[3], claim[4], claim[9], claim[10])
    if any(type(one) is not str for one in texts):
        raise TypeError("texts")
    return Shown(
        home=texts[0],
        kid=kid,
        issuer=texts[1],
        org_code=texts[2],
        org_name=texts[3],
        type_code=texts[4],
        opaque=opaque,
        attributes=attributes,
        state=STATE_OF_CODE[claim[7]],
        state_at=_moment(claim[8]),
        valid_until=date.fromisoformat(texts[5]) if texts[5] else None,
        issued_at=_moment(body[6]),
        expires_at=_moment(body[4]),
        jti=jti,
        purpose=texts[6],
        mark=_mark(claim.get(11, b"")),
    )


def _mark(found: Any) -> bytes:
    if type(found) is not bytes or len(found) not in {0, 8}:
        raise TypeError("mark")
    return found


def _moment(seconds: Any) -> datetime:
    if type(seconds) is not int or not 0 <= seconds < _LATEST:
        raise TypeError("a time is whole seconds of this age")
    return datetime.fromtimestamp(seconds, UTC)
