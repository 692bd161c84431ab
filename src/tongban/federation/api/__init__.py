"""The door for other nodes 节点接口 (federation.md 1): bytes in, checks, one verb or query, signed bytes out."""

from tongban.federation.api.calls import call, stream
from tongban.federation.api.entry import directory, enrol_get, enrol_post, renew, revocation_list, revoke
from tongban.federation.api.letters import chain, diverged, letters, returned, snapshot

routes = [directory, revocation_list, enrol_post, enrol_get, renew, revoke, call, stream, letters, chain, snapshot, diverged, returned]
