"""The way to another node 去往别的节点: one signed request, one verified answer. Nothing here tries twice."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from tongban.federation.actions.measure import SIGNATURE_FAILURES
from tongban.federation.actions.office import note_word, office, public_key
from tongban.federation.errors import CallFailed
from tongban.federation.model import Directory, ListedNode
from tongban.federation.rules import directory as directory_rules
from tongban.federation.rules import signatures
from tongban.kernel.beside import beside
from tongban.kernel.gm import BadEncoding, Signer, Sm2PublicKey, b64, parse_object
from tongban.kernel.node import Node

ANSWER_BYTES = 8 * 1024 * 1024


class Answer(msgspec.Struct, frozen=True):
    """A verified answer: status, body, and the seconds it took."""

    status: int
    body: dict[str, Any]
    seconds: float


class NoAnswer(Exception):
    """Nothing that counts as an answer came: broken, late, unsigned. `code` says which; it decides nothing else."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def address(node: Node, base_url: str, connect: str | None) -> tuple[str, dict[str, str]]:
    """Where to connect and the Host header to send; CallFailed when the address may not be used (threat N-16).

    https anywhere; plain http only to `.localhost` hosts on demo nodes, and only there `connect` counts.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if parts.scheme == "https" and host:
        return f"https://{parts.netloc}", {}
    local = host == "localhost" or host.endswith(".localhost")
    if parts.scheme == "http" and local and node.settings.demo:
        if connect:
            return f"http://{connect}", {"host": parts.netloc}
        return f"http://{parts.netloc}", {}
    raise CallFailed("unsafe_address", retryable=False)


async def transport(
    node: Node, method: str, base_url: str, connect: str | None, path: str, *, query: str = "",
    headers: Mapping[str, str], body: bytes | None, seconds: float,
) -> tuple[int, dict[str, str], bytes]:  # fmt: skip
    """One exchange over the wire, at most 8 MiB back; NoAnswer when nothing whole came in time. No redirect is followed."""
    root, host = address(node, base_url, connect)
    url = f"{root}{path}" + (f"?{query}" if query else "")
    limit = aiohttp.ClientTimeout(total=seconds, connect=min(3.0, seconds))
    try:
        async with node.http.session.request(
            method, url, data=body, headers={**headers, **host}, allow_redirects=False, timeout=limit
        ) as answer:
            content = bytearray()
            async for chunk in answer.content.iter_any():
                content += chunk
                if len(content) > ANSWER_BYTES:
                    raise NoAnswer("answer_too_large")
            names = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, names, bytes(content)
    except TimeoutError as error:
        raise NoAnswer("timeout") from error
    except (aiohttp.ClientError, OSError) as error:
        raise NoAnswer("connection") from error


async def fetch_open(node: Node, base_url: str, connect: str | None, path: str, *, seconds: float = 5) -> bytes:
    """The body of an open GET (the directory proves itself); CallFailed when there is no 200."""
    try:
        status, _, content = await transport(
            node, "GET", base_url, connect, path, headers={}, body=None, seconds=seconds
        )
    except NoAnswer as error:
        raise CallFailed(error.code) from error
    if status != 200:
        raise CallFailed("transport")
    return content


async def exchange(
    node: Node, found: Directory, peer: ListedNode, method: str, path: str, *, query: str = "", body: bytes | None = None,
    budget_ms: int, seconds: float, idempotency_key: str | None = None, signer: Signer | None = None,
) -> Answer:  # fmt: skip
    """One signed request and its verified answer, whatever its status. NoAnswer when none came that counts.

    A proxy's 502, a forged 404, an answer to another request: all are NoAnswer.
    """
    memory = office(node)
    key, now, nonce = signer or memory.signer(node, found), node.clock.ms() // 1000, b64(secrets.token_bytes(16))
    headers = await beside(
        lambda: signatures.sign_request(
            key, method=method, path=path, query=query, to=peer.id, budget_ms=budget_ms, body=body, idempotency_key=idempotency_key,
            now=now, nonce=nonce,
        )
    )  # fmt: skip
    started, sent_ms = time.monotonic(), node.clock.ms()
    status, names, content = await transport(
        node, method, peer.base_url, peer.connect, path, query=query, headers=headers, body=body, seconds=seconds
    )
    value = await verified(node, found, peer, status, names, content, headers)
    spent = time.monotonic() - started
    _note(node, peer.id, names, sent_ms, spent if query == "" else 0.0)
    return Answer(status, value, spent)


async def verified(
    node: Node, found: Directory, peer: ListedNode, status: int, names: Mapping[str, str], content: bytes,
    request: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    """The answer's body, once its signature is the peer's over it and over this request."""
    try:
        parameters = signatures.read_answer_parameters(names)
        key = _answer_key(node, found, peer, parameters, names)
        signed = signatures.signature_value(request)
        assert signed is not None
        now = node.clock.ms() // 1000
        await beside(
            lambda: signatures.check_answer(key, parameters, status=status, headers=names, body=content, request_signature=signed, now=now)
        )
        return parse_object(content)
    except signatures.BadMessage as error:
        SIGNATURE_FAILURES.labels(peer.id, error.code).inc()
        _hint_unsigned(node, peer.id, names)
        raise NoAnswer("unsigned" if error.code != "unknown_key" else "unknown_key") from error
    except BadEncoding as error:
        raise NoAnswer("unsigned") from error


def _answer_key(
    node: Node, found: Directory, peer: ListedNode, parameters: signatures.Parameters, names: Mapping[str, str]
) -> Sm2PublicKey:
    """The key that the answer claims, if the directory lists it for the node that was asked."""
    if parameters.node != peer.id or names.get("tongban-from") != peer.id:
        raise signatures.BadMessage("bad_signature")
    fault = directory_rules.call_key_fault(found, parameters.keyid, peer.id, node.clock.ms())
    key = public_key(found, parameters.keyid)
    if fault or key is None:
        raise signatures.BadMessage(fault or "unknown_key")
    return key


def _version(names: Mapping[str, str]) -> int:
    text = names.get("tongban-directory", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 17 else 0


def _hint_unsigned(node: Node, peer: str, names: Mapping[str, str]) -> None:
    """An answer signed by a key we do not know yet may still tell that our directory is old: looking costs little."""
    office(node).note_version(node, _version(names), peer)


def _note(node: Node, peer: str, names: Mapping[str, str], sent_ms: int, spent: float) -> None:
    memory = office(node)
    version = _version(names)
    # the peer signed at `created`; half the round trip earlier was the middle of ours (federation.md 6.4)
    created = signatures.read_answer_parameters(names).created
    now_ms = node.clock.ms()
    middle = (sent_ms + spent * 500) / 1000 if spent else now_ms / 1000
    offset = created + 0.5 - middle  # whole seconds on the wire: half a second is the best guess
    note_word(node, peer)
    memory.note_answer(peer, offset_seconds=offset, version=version)
    memory.note_version(node, version, peer)
