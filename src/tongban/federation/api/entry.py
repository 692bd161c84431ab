"""The doors to the directory and into the nation 目录与入网的门 (federation.md 2, 3): most of them need no signature."""

from __future__ import annotations

import time
from urllib.parse import parse_qsl

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from tongban.federation.actions import enrol, passing
from tongban.federation.actions.answer import Asked, Candidate, Incoming, Reply, problem_reply
from tongban.federation.actions.office import ENROLMENT_BELL, office
from tongban.federation.actions.renew import renew as renew_keys
from tongban.federation.actions.revocations import newest_list
from tongban.federation.api.doors import (
    LONGEST_WAIT,
    PLAIN,
    Ask,
    answered,
    message,
    number,
    open_door,
    response,
    unsigned,
)
from tongban.federation.errors import EnrolmentRefused, Problem
from tongban.federation.queries.directory import served as served_directory
from tongban.kernel.gm import jcs
from tongban.kernel.node import Node


@get("/federation/directory", opt=PLAIN)
async def directory(request: Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """The directory this node holds, byte for byte as the hub signed it (节点目录)."""
    try:
        open_door(request, node)
    except Problem as problem:
        return response(problem_reply(problem), {"retry-after": "1"})
    async with node.db.reading() as tx:
        found = await served_directory(tx)
    if found is None:
        return response(problem_reply(Problem("not_found")), {})
    version, raw, etag = found
    headers = {"etag": etag, "tongban-from": node.id, "tongban-directory": str(version), "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers=headers)
    return Response(raw, headers=headers, media_type="application/json")


@get("/federation/crl", opt=PLAIN)
async def revocation_list(request: Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """The hub root's certificate revocation list, DER, for software that only knows X.509 (证书撤销列表)."""
    try:
        open_door(request, node)
    except Problem as problem:
        return response(problem_reply(problem), {"retry-after": "1"})
    async with node.db.reading() as tx:
        der = await newest_list(tx)
    if der is None:
        return response(problem_reply(Problem("not_found")), {})
    return Response(der, headers={"cache-control": "max-age=60"}, media_type="application/pkix-crl")


@post("/federation/enrol", opt=PLAIN)
async def enrol_post(request: Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """A candidate's application; both sides prove the code without sending it (入网申请)."""

    async def work(incoming: Incoming) -> Reply:
        return Reply(202, await enrol.take_application(node, message(incoming.body)))

    return await unsigned(request, node, work)


@get("/federation/enrol/{enrolment:str}", opt=PLAIN)
async def enrol_get(request: Ask, node: NamedDependency[Node], enrolment: FromPath[str]) -> Response[bytes]:
    """What became of an application, for the key that made it; waits up to `wait` seconds for a decision."""
    async with node.db.reading() as tx:
        found = await enrol.application_answer(tx, enrolment)
    candidate = Candidate(found[1], found[3], found[2]) if found is not None else None

    async def work(_asked: Asked, incoming: Incoming) -> Reply:
        wait = number(dict(parse_qsl(incoming.query)).get("wait", "0"), most=LONGEST_WAIT)
        until = time.monotonic() + wait
        while True:
            since = node.bell.generation(ENROLMENT_BELL)
            async with node.db.reading() as tx:
                told = await enrol.application_answer(tx, enrolment)
            if told is None:
                raise Problem("not_found")
            left = until - time.monotonic()
            if told[0]["status"] != "pending" or left <= 0 or office(node).closing:
                return Reply(200, jcs(told[0]))
            await node.bell.wait(ENROLMENT_BELL, seconds=left, since=since)

    return await answered(request, node, work, candidate=candidate)


@post("/federation/renew", opt=PLAIN)
async def renew(request: Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """New keys of a running node, at the hub (更换密钥)."""

    async def work(asked: Asked, incoming: Incoming) -> Reply:
        if node.id != node.settings.hub:
            raise Problem("no_such_service")
        try:
            async with node.db.transaction() as tx:
                return Reply(200, jcs(await renew_keys(tx, node, asked.caller, message(incoming.body))))
        except EnrolmentRefused as error:
            raise Problem("refused", reasons=(error.reason,)) from error

    return await answered(request, node, work)


@post("/federation/revoke", opt=PLAIN)
async def revoke(request: Ask, node: NamedDependency[Node]) -> Response[bytes]:
    """A key revokes itself; kept and passed on (密钥自行撤销)."""

    async def work(incoming: Incoming) -> Reply:
        if not await passing.hear_revocation(node, incoming.body):
            raise Problem("bad_signature")
        return Reply(200, jcs({"v": 1, "status": "revoked"}))

    return await unsigned(request, node, work)
