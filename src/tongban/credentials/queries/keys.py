"""Which key speaks for which node (验签公钥): from the directory in memory, for the verifier's hot path."""

from __future__ import annotations

from typing import Final

from tongban import federation
from tongban.credentials.rules.presentation import KeyOf
from tongban.kernel.gm import Signer, Sm2PublicKey, unb64, x509
from tongban.kernel.node import Node

_RETIRED_MS: Final = 14 * 24 * 3600 * 1000
_parsed: dict[str, Sm2PublicKey] = {}


async def signer_of(node: Node) -> Signer:
    """This node's current signing key by the directory; the first one before it is enrolled (本节点签名钥)."""
    found = await federation.present(node)
    listed = found.node(node.id) if found else None
    current = listed.current("sign") if listed else None
    return node.keys.signer(current.kid.partition("/")[2] if current else "s1")


async def key_finder(node: Node) -> KeyOf:
    """A function from kid and time to the key that may sign then, or None (查验签公钥).

    Pinned: use sign, of the node in the kid, node not suspended or gone, current or retired less than 14 days, not revoked.
    """
    found = await federation.present(node)
    own = await signer_of(node) if found is None else None

    def find(kid: str, seconds: int) -> Sm2PublicKey | None:
        if found is None:
            return own.public if own is not None and own.kid == kid else None
        entry = found.listed_key(kid)
        if entry is None:
            return None
        listed, key = entry
        if key.use != "sign" or listed.id != kid.partition("/")[0] or listed.status not in {"active", "leaving"}:
            return None
        if key.status != "current" and (key.retired_at is None or seconds * 1000 - key.retired_at > _RETIRED_MS):
            return None
        revoked = found.revoked_since(kid)
        if revoked is not None and seconds * 1000 >= revoked:
            return None
        public = _parsed.get(key.cert)
        if public is None:
            if len(_parsed) > 512:
                _parsed.clear()
            public = _parsed[key.cert] = x509.read(unb64(key.cert)).public
        return public

    return find


def key_ends(found: federation.Directory, key: federation.NodeKey) -> float | None:
    """Unix seconds from which a signing key may sign no longer, None for a current one (验签公钥到什么时候)."""
    retired = 0.0 if key.retired_at is None else (key.retired_at + _RETIRED_MS) / 1000
    revoked = found.revoked_since(key.kid)
    ends = [retired] if key.status != "current" else []
    return min([*ends, *([revoked / 1000] if revoked is not None else [])], default=None)


async def node_name(node: Node, node_id: str) -> str:
    """The name people know a node by, or its id."""
    if node_id == node.id:
        return node.settings.name
    found = await federation.present(node)
    listed = found.node(node_id) if found else None
    return listed.name if listed else node_id
