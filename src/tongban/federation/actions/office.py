"""What one running node remembers between requests 邮局的记忆: nothing here must survive a restart."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from weakref import WeakKeyDictionary

import msgspec

from tongban.federation.errors import NotMember
from tongban.federation.model import CallHandler, Directory, Handlers, LetterHandler, ListedNode
from tongban.federation.rules import directory as directory_rules
from tongban.federation.rules.traffic import Breaker, Limit, RetryBudget
from tongban.kernel.gm import Decrypter, Signer, Sm2PublicKey
from tongban.kernel.node import Node

DIRECTORY_BELL = "federation.directory"
BEHIND_BELL = "federation.behind"
LETTERS_BELL = "letters"
STAMPER_BELL = "stamper"
ENROLMENT_BELL = "federation.enrolment"
RECOVERY_BELL = "federation.recovery"
_HEARD_BELL = "federation.heard."
_LOOK_AGAIN_SECONDS = 5.0
_SAME_HINT_SECONDS = 30.0
_RECOVERING_SECONDS = 1.0
MOST_UNKNOWN_KEYS = 1000
SUSPECT_SECONDS = 120.0
SPREADS_MS = 20_000
"""A directory is everywhere in less than 10 s (federation.md 3); twice that is waited before a new key signs."""
RECOVERS = frozenset({"restored", "diverged"})
"""Values of outbox_head.stopped that mean: this node's database went back in time (federation.md 6.2)."""


class Hint(msgspec.Struct, frozen=True):
    """A peer named a higher directory version than ours."""

    version: int
    peer: str


class Office:
    """A node's breakers, limits, polls and clock estimates, and its view of the directory. One for each Node."""

    def __init__(self, node: Node) -> None:
        self.handlers: Handlers | None = None
        self.breakers: defaultdict[tuple[str, str], Breaker] = defaultdict(Breaker)
        self.retries: defaultdict[str, RetryBudget] = defaultdict(RetryBudget)
        self.unsigned = Limit(node.settings.unsigned_per_second)
        self.open_doors = Limit(node.settings.open_door_per_second)
        self.in_flight: Counter[str] = Counter()
        self.running: set[tuple[str, str, str]] = set()
        self.polls: dict[str, asyncio.Event] = {}
        self.offsets: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=16))
        self.heard: dict[str, float] = {}
        self.first_heard: dict[str, float] = {}
        self.peer_versions: dict[str, int] = {}
        self.recent_calls: defaultdict[str, deque[tuple[float, float, bool]]] = defaultdict(lambda: deque(maxlen=512))
        self.hint: Hint | None = None
        self._away_seconds = node.settings.hub_away_seconds
        self.suspects: dict[str, float] = {}
        self.unknown_keys: dict[str, int] = {}
        self.rolled_back: dict[str, float] = {}
        self.snapshots_tried: set[str] = set()
        self.recovering: bool | None = None
        self._recovering_seen = (-1, float("-inf"))
        self._hinted: dict[tuple[str, int], float] = {}
        self.started = time.monotonic()
        self.hub_away = False
        self.closing = False
        self.next_statement = float("-inf")
        self.directory: Directory | None = None
        self._seen_generation = -1
        self._seen_at = float("-inf")
        self._own: tuple[tuple[int, int], tuple[tuple[str, int | None], ...]] = ((-1, -1), ())

    async def look(self, node: Node) -> Directory | None:
        """The directory this node trusts now, or None before it is enrolled; asked again when the bell has rung."""
        generation, now = node.bell.generation(DIRECTORY_BELL), time.monotonic()
        if generation == self._seen_generation and now < self._seen_at + _LOOK_AGAIN_SECONDS:
            return self.directory
        async with node.db.reading() as tx:
            row = await tx.fetchrow("SELECT version, trusted FROM directory_version ORDER BY version DESC LIMIT 1")
        if row is not None and (
            self.directory is None or self.directory.version != row["version"] or generation != self._seen_generation
        ):
            self.directory = read_directory(row["trusted"])
        self._seen_generation, self._seen_at = generation, now
        return self.directory

    async def need(self, node: Node) -> Directory:
        """As `look`, and NotMember when there is none."""
        found = await self.look(node)
        if found is None:
            raise NotMember
        return found

    def signer(self, node: Node, directory: Directory) -> Signer:
        """The newest signing key that the directory lists for this node, that its store holds and that is not revoked.

        A key that was listed this moment signs nothing yet: for 20 s its predecessor goes on, so that nobody meets a
        signature before the directory that names its key.
        """
        mark = (directory.version, len(directory.revoked))
        if self._own[0] != mark:
            me = directory.node(node.id)
            mine = [key for key in (me.keys if me else ()) if key.use == "sign" and directory.revoked_since(key.kid) is None]
            self._own = (mark, tuple((key.kid.split("/", 1)[1], key.retired_at) for key in mine if node.keys.has(key.kid.split("/", 1)[1])))
        held = self._own[1]
        if not held:
            raise NotMember
        name, before = held[0][0], held[1] if len(held) > 1 else None
        if before is not None and before[1] is not None and node.clock.ms() < before[1] + SPREADS_MS:
            name = before[0]
        return node.keys.signer(name)

    async def look_recovering(self, node: Node) -> bool:
        """Whether this node's log is being mended after a restore; looked up again when its bell has rung, and each second."""
        generation, now = node.bell.generation(RECOVERY_BELL), time.monotonic()
        seen, at = self._recovering_seen
        if self.recovering is None or generation != seen or now > at + _RECOVERING_SECONDS:
            async with node.db.reading() as tx:
                stopped = await tx.fetchval("SELECT stopped FROM outbox_head")
            self.recovering = stopped in RECOVERS
            self._recovering_seen = (generation, now)
        return self.recovering

    def note_answer(self, peer: str, *, offset_seconds: float, version: int) -> None:
        """A signed answer came from `peer`: it is there, and its clock and directory are known again."""
        now = time.monotonic()
        if now - self.heard.get(peer, float("-inf")) > self._away_seconds:
            self.first_heard[peer] = now
        self.heard[peer] = now
        self.offsets[peer].append(offset_seconds)
        self.peer_versions[peer] = version

    def note_version(self, node: Node, version: int, peer: str) -> None:
        """A response named a directory version; a higher one than ours is fetched at once, a lie only once in 30 s."""
        if self.directory is None or version <= self.directory.version:
            return
        now = time.monotonic()
        if now - self._hinted.get((peer, version), float("-inf")) < _SAME_HINT_SECONDS:
            return
        self._hinted = {key: at for key, at in self._hinted.items() if now - at < _SAME_HINT_SECONDS}
        self._hinted[peer, version] = now
        self.hint = Hint(version, peer)
        node.bell.ring(BEHIND_BELL)

    def unknown_key(self, kid: str) -> int:
        """How often a letter came that this key signed and the directory does not know (认不出的密钥); whoever sends invents the name."""
        tries = self.unknown_keys.pop(kid, 0) + 1
        if len(self.unknown_keys) >= MOST_UNKNOWN_KEYS:
            del self.unknown_keys[next(iter(self.unknown_keys))]  # which was longest not heard of
        self.unknown_keys[kid] = tries
        return tries

    def suspected(self, origin: str) -> bool:
        """Whether a relay failed to bring that origin's letters lately, so that it is asked itself."""
        return time.monotonic() - self.suspects.get(origin, float("-inf")) < SUSPECT_SECONDS

    def offset(self, peer: str) -> float | None:
        """Median of the peer's clock minus ours in seconds, or None when never heard."""
        found = self.offsets.get(peer)
        return statistics.median(found) if found else None

    def clock_is_wrong(self) -> bool:
        """Whether our clock is off by more than 20 s against three peers or more (federation.md 6.4)."""
        medians = [offset for peer in self.offsets if (offset := self.offset(peer)) is not None]
        return len(medians) >= 3 and abs(statistics.median(medians)) > 20


_offices: WeakKeyDictionary[Node, Office] = WeakKeyDictionary()
_common = Handlers()
budget_left: ContextVar[float | None] = ContextVar("federation_budget_until", default=None)


def office(node: Node) -> Office:
    """The memory of this node's post."""
    found = _offices.get(node)
    if found is None:
        found = _offices[node] = Office(node)
    return found


def register(
    letters: Mapping[tuple[str, int], LetterHandler],
    calls: Mapping[str, CallHandler],
    *,
    reinstate: Mapping[tuple[str, int], LetterHandler | None] | None = None,
    replaces: Iterable[str] = (),
    node: Node | None = None,
) -> None:
    """Say once what this program can apply and answer (登记收件与应答): every room's LETTERS and CALLS.

    `reinstate`: how the fact of an own letter that came home after a restore is put back, None where there is none to put
    back; `replaces`: kinds to everybody of which only the newest about a thing counts. With `node`, only that node of
    this process knows them: an old release beside a new one, in tests.
    """
    global _common  # noqa: PLW0603  the handlers are code, the same for every node of the process
    handlers = Handlers(dict(letters), dict(calls), dict(reinstate or {}), frozenset(replaces))
    if node is not None:
        office(node).handlers = handlers
    else:
        _common = handlers


async def recovering(node: Node) -> bool:
    """Whether this node is *recovering* 恢复中: reads go on, no act with legal effect until its own letters are home."""
    return await office(node).look_recovering(node)


def heard_bell(peer: str) -> str:
    """The bell that rings when a signed word of that node came in."""
    return _HEARD_BELL + peer


def note_word(node: Node, peer: str) -> None:
    """A signed word of `peer` came in, asked or not: whoever waits for it to come back need not wait longer (对方有声)."""
    node.bell.ring(heard_bell(peer))


def hang_up(node: Node) -> None:
    """End all waiting polls with what there is, before the server closes (收线): a reader simply asks again."""
    memory = office(node)
    memory.closing = True
    for poll in memory.polls.values():
        poll.set()
    node.bell.ring(ENROLMENT_BELL)


def area(node: Node) -> str:
    """The division that the roles of this node's officers are asked for (管辖区划); the whole country at the hub and ministries."""
    divisions = node.settings.divisions
    return (divisions[0] if divisions else "").ljust(6, "0")


def handlers_of(node: Node) -> Handlers:
    return office(node).handlers or _common


@lru_cache(maxsize=4)
def read_directory(trusted: bytes) -> Directory:
    """A directory as stored; the same bytes, asked for at every sign-in, are read once."""
    return msgspec.json.decode(trusted, type=Directory)


def public_key(directory: Directory, kid: str) -> Sm2PublicKey | None:
    """The public key of that id as this node trusts it, or None."""
    listed = directory.listed_key(kid)
    return directory_rules.certificate(listed[1].cert).public if listed else None


def encryption_key(listed: ListedNode) -> tuple[str, Sm2PublicKey] | None:
    """Key id and key to encrypt for that node with, or None when it has none."""
    key = listed.current("encrypt")
    return (key.kid, directory_rules.certificate(key.cert).public) if key else None


def own_decrypter(node: Node, kid: str) -> Decrypter | None:
    """This node's private key of that id, or None when it is another's or lost."""
    owner, _, name = kid.partition("/")
    return node.keys.decrypter(name) if owner == node.id and node.keys.has(name) else None
