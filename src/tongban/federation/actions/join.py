"""Enrolment at the candidate 入网（申请一侧）: ask, compare, check root → certificate → directory (federation.md 2)."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from tongban.federation.actions.alarm import raise_alarm
from tongban.federation.actions.directory import EXPIRY_DAYS, take
from tongban.federation.actions.office import DIRECTORY_BELL, office, recovering
from tongban.federation.actions.root import pin_root
from tongban.federation.actions.way import NoAnswer, exchange, fetch_open, transport
from tongban.federation.errors import CallFailed, EnrolmentRefused
from tongban.federation.model import Directory, ListedNode
from tongban.federation.rules import directory as directory_rules
from tongban.federation.rules import enrolment as rules
from tongban.federation.rules import signatures
from tongban.kernel.gm import BadEncoding, CertificateRefused, Signer, b64, jcs, parse_object, unb64, x509
from tongban.kernel.log import log
from tongban.kernel.node import Node

SOFTWARE = "tongban 0.1.0"
_POLL_SECONDS = 20
_LAST_DAYS = 14


async def join(
    node: Node, hub_url: str, connect: str | None, code: str, root_fingerprint: str, *, seconds: float = 120
) -> Directory:
    """Become a member of the nation whose hub answers at `hub_url` 入网; at once when this node is one already.

    `code` and `root_fingerprint` came outside the network. Asks, waits for the second officer, checks root → certificate
    → directory, and waits until the hub has called it back: its HTTP server must be running. A restart goes on where it
    was. Raises EnrolmentRefused, CallFailed("deadline") after `seconds`.
    """
    found = await office(node).look(node)
    me = found.node(node.id) if found else None
    if found is not None and me is not None and me.status not in ("joining", "gone"):
        return found
    until = node.clock.ms() + seconds * 1000
    if me is None:
        row = await _ask(node, hub_url, connect, code, root_fingerprint)
        await _wait_for_decision(node, hub_url, connect, row["enrolment"], row["root"], until)
        await _first_directory(node, hub_url, connect, row["root"])
    return await _wait_until_active(node, until)


async def _ask(node: Node, hub_url: str, connect: str | None, code: str, root_fingerprint: str) -> Any:
    """The application as it was posted and answered; posted (again) when no answer is held."""
    async with node.db.reading() as tx:
        row = await tx.fetchrow("SELECT request, enrolment, root FROM own_enrolment")
    if row is not None and row["enrolment"] is not None:
        return row
    request = row["request"] if row is not None else await _write_request(node, hub_url, connect, code)
    try:
        status, _, content = await transport(
            node, "POST", hub_url, connect, "/federation/enrol",
            headers={"content-type": "application/json"}, body=request, seconds=5,
        )  # fmt: skip
        told = parse_object(content)
    except NoAnswer as error:
        raise CallFailed(error.code) from error
    except BadEncoding as error:
        raise CallFailed("transport") from error
    if status != 202:
        reasons = told.get("reasons")
        raise EnrolmentRefused(str(reasons[0]) if isinstance(reasons, list) and reasons else "refused")
    root = _believed_root(told, parse_object(request), code, root_fingerprint)
    async with node.db.transaction() as tx:
        await tx.execute("UPDATE own_enrolment SET enrolment = $1, root = $2", str(told["enrolment"]), root)
    return {"enrolment": str(told["enrolment"]), "root": root}


async def _write_request(node: Node, hub_url: str, connect: str | None, code: str) -> bytes:
    """The application, kept before it is posted: a lost answer is asked for with the same words."""
    settings = node.settings
    signer, opener = node.keys.signer("s1"), node.keys.decrypter("e1")
    message: dict[str, Any] = {
        "v": 1, "node": node.id, "invitation": rules.invitation_id(code), "nonce": b64(secrets.token_bytes(16)),
        "csr_sign": b64(x509.make_csr(signer, node=node.id, organisation=settings.organisation)),
        "csr_enc": b64(x509.make_csr(_as_signing_key(opener), node=node.id, organisation=settings.organisation)),
        "base_urls": [settings.base_url], "software": SOFTWARE, "at": node.clock.ms(),
    }  # fmt: skip
    if settings.connect:
        message["connect"] = settings.connect
    message["proof"] = rules.proof(code, message)
    request = jcs(message)
    async with node.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO own_enrolment (hub_url, hub_connect, request) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            hub_url, connect, request,
        )  # fmt: skip
    return request


def _as_signing_key(opener: Any) -> x509.SigningKey:
    """An encryption key signs one thing in its life: its own request (possession)."""
    key: x509.SigningKey = opener
    return key


def _believed_root(told: dict[str, Any], request: dict[str, Any], code: str, root_fingerprint: str) -> bytes:
    """The hub's root: it has the code, it answers this request, and its fingerprint is the one told outside."""
    if not rules.proof_holds(code, told) or told.get("nonce") != request["nonce"]:
        raise EnrolmentRefused("wrong_proof", "对方答不上邀请码，不是要入的枢纽")
    root = unb64(str(told.get("root", "")))
    if not rules.same_fingerprint(root, root_fingerprint):
        raise EnrolmentRefused("wrong_root", "根证书指纹与告知的不一致")
    return root


async def _wait_for_decision(
    node: Node, hub_url: str, connect: str | None, enrolment: str, root: bytes, until: float
) -> None:
    """Ask until an officer has decided; the hub holds each question up to 20 s."""
    signer = node.keys.signer("s1")
    while node.clock.ms() < until:
        wait = max(1, min(_POLL_SECONDS, int((until - node.clock.ms()) / 1000)))
        told = await _decision(node, hub_url, connect, enrolment, signer, wait)
        if told.get("status") == "approved":
            _check_certificates(node, told, root)
            return
        if told.get("status") == "refused":
            raise EnrolmentRefused("refused", "枢纽没有同意入网")
    raise CallFailed("deadline")


async def _decision(
    node: Node, hub_url: str, connect: str | None, enrolment: str, signer: Signer, wait: int
) -> dict[str, Any]:
    """One signed question; its answer proves nothing here: certificates and directory are checked against the root."""
    path, query = f"/federation/enrol/{enrolment}", f"wait={wait}"
    headers = signatures.sign_request(
        signer, method="GET", path=path, query=query, to=node.settings.hub, budget_ms=20_000, body=None,
        idempotency_key=None, now=node.clock.ms() // 1000, nonce=b64(secrets.token_bytes(16)),
    )  # fmt: skip
    try:
        status, _, content = await transport(
            node, "GET", hub_url, connect, path, query=query, headers=headers, body=None, seconds=wait + 5
        )
        told = parse_object(content)
    except (NoAnswer, BadEncoding):
        await node.bell.wait(DIRECTORY_BELL, seconds=1)
        return {}
    if status != 200:
        log("federation.enrolment_not_answered", status=status)
        await node.bell.wait(DIRECTORY_BELL, seconds=1)
        return {}
    return told


def _check_certificates(node: Node, told: dict[str, Any], root: bytes) -> None:
    """Both certificates chain to the root and are for our own keys."""
    pairs = (
        ("cert_sign", "sign", node.keys.signer("s1").public),
        ("cert_enc", "encrypt", node.keys.decrypter("e1").public),
    )
    uses: dict[str, x509.Use] = {"sign": "sign", "encrypt": "encrypt"}
    try:
        for name, use, public in pairs:
            read = x509.verify_chain(unb64(str(told[name])), [root], node.clock.now(), use=uses[use], node=node.id)
            if read.public != public:
                raise EnrolmentRefused("certificate")
    except (CertificateRefused, BadEncoding, KeyError) as error:
        raise EnrolmentRefused("certificate") from error


async def _first_directory(node: Node, hub_url: str, connect: str | None, root: bytes) -> None:
    """Pin the root, take the directory, see oneself in it."""
    raw = await fetch_open(node, hub_url, connect, "/federation/directory")
    async with node.db.transaction() as tx:
        await pin_root(tx, root)
    verdict = await take(node, raw, source=node.settings.hub)
    if verdict.outcome not in ("accepted", "same") or (verdict.trusted and verdict.trusted.node(node.id) is None):
        raise EnrolmentRefused(verdict.why or "directory")


async def _wait_until_active(node: Node, until: float) -> Directory:
    """Show the hub that we are here with a signed GET; it calls back, and the next directory says `active`."""
    memory = office(node)
    while node.clock.ms() < until:
        since = node.bell.generation(DIRECTORY_BELL)
        found = await memory.need(node)
        me = found.node(node.id)
        if me is not None and me.status == "active":
            return found
        hub = found.node(found.hub)
        if hub is not None:
            await _show_oneself(node, found, hub)
        await node.bell.wait(DIRECTORY_BELL, seconds=0.5, since=since)
        await _fetch(node, hub)
    raise CallFailed("deadline")


async def _show_oneself(node: Node, found: Directory, hub: ListedNode) -> None:
    try:
        await exchange(node, found, hub, "GET", "/federation/letters", query="wait=0", budget_ms=2500, seconds=3)
    except NoAnswer as error:
        log("federation.hub_not_answered", code=error.code)


async def _fetch(node: Node, hub: ListedNode | None) -> None:
    if hub is None:
        return
    try:
        await take(node, await fetch_open(node, hub.base_url, hub.connect, "/federation/directory"), source=hub.id)
    except CallFailed as error:
        log("federation.no_directory", code=error.problem)


async def renew_keys(node: Node) -> Directory:
    """New keys for this node, spoken for by the present one 更换密钥; listed in the hub's next directory.

    Raises CallFailed when the hub does not answer, EnrolmentRefused when it does not agree.
    """
    memory = office(node)
    found = await memory.need(node)
    me, hub = found.node(node.id), found.node(found.hub)
    if me is None or hub is None:
        raise EnrolmentRefused("not_member")
    number = 1 + max(
        int(key.kid.rsplit("/", 1)[1][1:] or 0) for key in me.keys if key.kid.rsplit("/", 1)[1][1:].isdigit()
    )
    names = f"s{number}", f"e{number}"
    fresh, opener, present = node.keys.signer(names[0]), node.keys.decrypter(names[1]), memory.signer(node, found)
    message = {
        "v": 1, "kids": [f"{node.id}/{name}" for name in names],
        "csr_sign": b64(x509.make_csr(fresh, node=node.id, organisation=me.organisation)),
        "csr_enc": b64(x509.make_csr(_as_signing_key(opener), node=node.id, organisation=me.organisation)),
        "by": [{"kid": present.kid, "value": b64(present.sign(key.public.spki))} for key in (fresh, opener)],
    }  # fmt: skip
    try:
        answer = await exchange(
            node, found, hub, "POST", "/federation/renew", body=jcs(message), budget_ms=5000, seconds=5
        )
    except NoAnswer as error:
        raise CallFailed(error.code) from error
    if answer.status != 200:
        raise EnrolmentRefused(str(answer.body.get("code", "refused")))
    await _fetch(node, hub)
    return await memory.need(node)


async def renew_in_time(node: Node) -> bool:
    """New keys when a current certificate of this node has less than 30 days (到期前续期); True when they were renewed.

    Approved by rule, as the present key speaks for the new ones. With less than 14 days left and no answer an alarm rises.
    """
    found = await office(node).look(node)
    me = found.node(node.id) if found else None
    if found is None or me is None or me.status != "active" or await recovering(node):
        return False
    ends = [directory_rules.certificate(key.cert).not_after for key in me.keys if key.status == "current"]
    left = min(ends, default=node.clock.now() + timedelta(days=400)) - node.clock.now()
    if left > timedelta(days=EXPIRY_DAYS):
        return False
    try:
        await renew_keys(node)
    except (CallFailed, EnrolmentRefused) as error:
        log("federation.not_renewed", code=error.failure_code)
        if left < timedelta(days=_LAST_DAYS):
            async with node.db.transaction() as tx:
                await raise_alarm(
                    tx, "certificate_ends", node.id, f"{ends and min(ends).date()}", "本节点的证书不到 14 天就到期，自动续期没有成功，请联系枢纽", b""
                )
        return False
    return True
