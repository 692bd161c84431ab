"""What one guardian did, the others hear of it 另一位监护人也知道 (T-88): at their own homes, and only those the register names now.

The home of the guardian who acted asks the register and tells them; another node believes it for its own person only when
the sender is that guardian's home by the register's statement and both stand in the register as guardians of this minor.
"""

from __future__ import annotations

from typing import Any

from tongban import federation, notifications
from tongban.identity.actions.guardians import ask_guardian, ask_guardians_of
from tongban.identity.actions.home_proof import is_home
from tongban.identity.actions.subjects import statement_of
from tongban.identity.errors import failure
from tongban.identity.rules.mandates import ACT_WORDS, Mandate
from tongban.kernel import jobs
from tongban.kernel.db import Tx
from tongban.kernel.ids import is_uuid
from tongban.kernel.log import log
from tongban.kernel.node import Node

KIND = "guardian.told"
TELL, CHECK = "identity.tell_guardians", "identity.check_guardian_told"
_WORDS = ("name", "act", "what")


async def tell_soon(tx: Tx, node: Node, found: Mandate, act: str, what: str, act_id: str) -> None:
    """A guardian of this home did something for a minor: the others are told by a job, once for each act."""
    words = _sealed(node, act_id, (found.agent_name.reveal(), act, what))
    await jobs.enqueue(tx, TELL, {"minor": found.grantor, "guardian": found.agent, "act_id": act_id, "words": words}, once=f"told:{act_id}")


async def tell(node: Node, payload: dict[str, Any]) -> None:
    """Job: ask the register who else guards this minor, and tell each of them here or by letter. Away: the job comes again."""
    minor, by, act_id = (str(payload[name]) for name in ("minor", "guardian", "act_id"))
    others = [one for one in await ask_guardians_of(node, minor) if one.subject != by and one.home]
    words = dict(zip(_WORDS, _opened(node, act_id, payload["words"]), strict=True))
    async with node.db.transaction() as tx:
        proof = await statement_of(tx, node, by) or ""
        for one in others:
            if one.home == node.id:
                await told(tx, node, one.subject, words, act_id)
            else:
                await federation.send(
                    tx, node, to=one.home, kind=KIND, about=f"guardian:{act_id}", id=federation.derived_id(KIND, one.home, f"{act_id}:{one.subject}"),
                    body={"minor": minor, "by": by, "guardian": one.subject, "act_id": act_id, "proof": proof, **words},
                )  # fmt: skip


async def heard(tx: Tx, node: Node, letter: federation.Letter) -> None:
    """`guardian.told` at another guardian's home: kept aside until a job has proven who says it, and of whom."""
    body = {name: str(letter.body.get(name, "")) for name in ("minor", "by", "guardian", "act_id", "proof", *_WORDS)}
    if not is_uuid(body["act_id"]) or len("".join(body[name] for name in _WORDS)) > 500:
        return
    payload = {name: body[name] for name in ("minor", "by", "guardian", "act_id")}
    words = _sealed(node, body["act_id"], tuple(body[name] for name in (*_WORDS, "proof")))
    await jobs.enqueue(tx, CHECK, {**payload, "origin": letter.origin, "words": words}, once=f"told:{body['act_id']}:{body['guardian']}")


async def check(node: Node, payload: dict[str, Any]) -> None:
    """Job: whose word it is, asked of the register; what proves false is told to nobody (T-22, T-32)."""
    minor, by, guardian, act_id, origin = (str(payload[name]) for name in ("minor", "by", "guardian", "act_id", "origin"))
    *plain, proof = _opened(node, act_id, payload["words"])
    true = await is_home(node, by, origin, proof)
    for one in (by, guardian) if true else ():
        guards = await ask_guardian(node, one, minor)
        if guards is None:
            raise failure("identity.mandate_news")
        true = true and guards
    if not true:
        log("identity.letter_not_theirs", peer=origin, kind=KIND)
        return
    async with node.db.transaction() as tx:
        await told(tx, node, guardian, dict(zip(_WORDS, plain, strict=True)), act_id)


async def told(tx: Tx, node: Node, guardian: str, words: dict[str, str], act_id: str) -> None:
    """The message of one act of the other guardian; what the law gives to both nobody stops here, a dispute goes to the register."""
    await notifications.notify(
        tx, node, subject=guardian, kind=KIND, title=f"{words['name'][:40]}替孩子{ACT_WORDS.get(words['act'], '办了一步')}",
        text=f"{words['what'][:200]}。登记上也是孩子的监护人，所以也告诉一声。有不同意见，先和对方商量，或者打 12345 问问。", link="/me/agents",
        about=f"guardian:{act_id}", group="家人", dedupe=act_id,
    )  # fmt: skip


def _sealed(node: Node, act_id: str, words: tuple[str, ...]) -> str:
    return node.cipher.seal("identity", "guardian_told.job", act_id, "\x1f".join(words)).hex()


def _opened(node: Node, act_id: str, blob: str) -> list[str]:
    return node.cipher.open("identity", "guardian_told.job", act_id, bytes.fromhex(blob)).reveal().split("\x1f")
