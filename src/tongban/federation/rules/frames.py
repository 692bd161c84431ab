"""Frames 流帧: a large answer in pieces, each signed, numbered, and naming the one before it and the request it answers.

A frame is one line of JSON, `{"head":…,"sig":{"kid","value"},"body":…}`; the signature is over JCS of the head, and the head
has the digest of JCS of the body. So a piece that is dropped, repeated, moved, changed, or of another answer shows at once,
and an answer that was cut has no last frame. `end` of the last one is `whole`, or the code of a problem (federation.md 4).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tongban.kernel.gm import BadEncoding, Signer, Sm2PublicKey, b64, digest, jcs, parse_object, unb64

TYPE: Final = "application/vnd.tongban.frames"
TAG: Final = "tongban-frame-1"
LINE_BYTES: Final = 1024 * 1024
WHOLE: Final = "whole"


class BadFrame(Exception):
    """A line that is not the next frame of this answer; `why` is a stable word."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a frame's signature covers. `request` names the request's signature, `prev` the head before, `n` counts from 0."""

    v: int
    tag: str
    origin: str
    to: str
    request: str
    n: int
    prev: str
    body: str
    end: str


class Frame(msgspec.Struct, frozen=True):
    """A frame as read: its head, who signed it, and what it says."""

    head: Head
    kid: str
    value: bytes
    body: dict[str, Any]


class Chain:
    """Where one answer stands (帧链): the number of the next frame and the digest of the last, at either end."""

    def __init__(self, origin: str, to: str, request_signature: str) -> None:
        self.origin, self.to = origin, to
        self.request = digest(request_signature.encode("ascii"))
        self.n, self.prev = 0, ""

    def write(self, signer: Signer, body: dict[str, Any], end: str = "") -> bytes:
        """The next frame as one line; BadFrame when it is longer than a reader takes."""
        content = jcs(body)
        head = jcs(Head(1, TAG, self.origin, self.to, self.request, self.n, self.prev, digest(content), end))
        signed = jcs({"kid": signer.kid, "value": b64(signer.sign(head))})
        line = b'{"head":' + head + b',"sig":' + signed + b',"body":' + content + b"}\n"
        if len(line) > LINE_BYTES:
            raise BadFrame("too_long")
        self.n, self.prev = self.n + 1, digest(head)
        return line

    def take(self, frame: Frame, key: Sm2PublicKey) -> None:
        """Believe the next frame, or BadFrame: `other`, `order`, `body`, `signature`."""
        head, written = frame.head, jcs(frame.head)
        if (head.v, head.tag, head.origin, head.to, head.request) != (1, TAG, self.origin, self.to, self.request):
            raise BadFrame("other")
        if (head.n, head.prev) != (self.n, self.prev):
            raise BadFrame("order")
        if digest(jcs(frame.body)) != head.body:
            raise BadFrame("body")
        if not key.verify(written, frame.value):
            raise BadFrame("signature")
        self.n, self.prev = self.n + 1, digest(written)


def read(line: bytes) -> Frame:
    """A line as a frame, nothing believed yet; BadFrame `malformed` when it is none."""
    try:
        said = parse_object(line)
        signed, body = said["sig"], said["body"]
        if not isinstance(signed, dict) or not isinstance(body, dict):
            raise BadFrame("malformed")
        return Frame(msgspec.convert(said["head"], Head), str(signed["kid"]), unb64(str(signed["value"])), body)
    except (BadEncoding, KeyError, msgspec.ValidationError, ValueError) as error:
        raise BadFrame("malformed") from error
