"""JSON door of 存证, for machines: heads and proofs, as other nodes and outside watchers read them. No personal data."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Response

from tongban.kernel.gm import jcs
from tongban.kernel.node import Node
from tongban.transparency import queries
from tongban.transparency.errors import NoSuchProof
from tongban.transparency.model import named

_MOST_HEADS: Final = 1000


@get("/api/transparency/head")
async def newest(node: NamedDependency[Node]) -> Response[bytes]:
    """The newest signed head (最新树头): `{"head":{…},"sig":{…}}`."""
    async with node.db.reading() as tx:
        head = await queries.head(tx)
    if head is None:
        raise NoSuchProof
    return _json(head.to_json())


@get("/api/transparency/heads")
async def many(
    node: NamedDependency[Node], limit: Annotated[int, QueryParameter(ge=1, le=_MOST_HEADS)] = 20
) -> Response[bytes]:
    """The newest signed heads, newest first: `{"heads":[…]}`."""
    async with node.db.reading() as tx:
        found = await queries.heads(tx, limit=limit)
    return _json({"heads": [head.to_json() for head in found]})


@get("/api/transparency/inclusion")
async def inclusion(
    node: NamedDependency[Node], index: Annotated[int, QueryParameter(ge=0)], size: Annotated[int, QueryParameter(ge=1)]
) -> Response[bytes]:
    """The proof that the leaf at `index` is in the tree of `size` (包含证明): `{"index","size","proof":["sm3:…"]}`."""
    async with node.db.reading() as tx:
        proof = await queries.inclusion(tx, index, size)
    return _json({"index": index, "size": size, "proof": [named(one) for one in proof]})


@get("/api/transparency/consistency")
async def consistency(
    node: NamedDependency[Node],
    first: Annotated[int, QueryParameter(name="from", ge=0)],
    second: Annotated[int, QueryParameter(name="to", ge=0)],
) -> Response[bytes]:
    """The proof that the tree of `to` continues that of `from` (一致性证明): `{"from","to","proof":["sm3:…"]}`."""
    async with node.db.reading() as tx:
        proof = await queries.consistency(tx, first, second)
    return _json({"from": first, "to": second, "proof": [named(one) for one in proof]})


@get("/api/transparency/witnessed")
async def seen(node: NamedDependency[Node]) -> Response[bytes]:
    """Other nodes' newest heads as witnessed here, and every fork (见证): `{"witnessed":[…],"forks":[…]}`."""
    async with node.db.reading() as tx:
        good, bad = await queries.witness_statements(tx)
    return _json({"witnessed": list(good), "forks": list(bad)})


def _json(value: dict[str, object]) -> Response[bytes]:
    return Response(jcs(value), media_type="application/json", headers={"Cache-Control": "no-cache"})


routes: list[Any] = [newest, many, inclusion, consistency, seen]
