"""What can go wrong between nodes 互联的错误: problems on the wire (federation.md 4) and failures a page can draw."""

from __future__ import annotations

import uuid
from typing import ClassVar

from tongban.kernel.errors import Failure

# code -> (status, title). The whole table of federation.md 4; nothing else is ever answered.
PROBLEMS: dict[str, tuple[int, str]] = {
    "malformed": (400, "Not a request of this protocol"),
    "unsupported_version": (400, "Version of the body not spoken here"),
    "unknown_key": (401, "Key not in the directory, retired, or of another node"),
    "bad_signature": (401, "Signature does not hold"),
    "bad_digest": (401, "Content is not the one signed"),
    "stale": (401, "Outside the time window"),
    "replayed": (401, "Nonce seen before"),
    "not_for_you": (403, "Addressed to another node"),
    "node_suspended": (403, "Node is not active"),
    "no_grant": (403, "No grant for this"),
    "no_consent": (403, "No consent for this"),
    "revoked_key": (403, "Key is revoked"),
    "no_such_service": (404, "No such service"),
    "not_found": (404, "Not found"),
    "in_progress": (409, "The first attempt is still running"),
    "diverged": (409, "You hold letters of mine that I do not"),
    "epoch_closed": (409, "That epoch is closed"),
    "too_large": (413, "Too large"),
    "key_reused": (422, "Idempotency key used with another body"),
    "refused": (422, "Refused for the reasons given"),
    "quota": (429, "Quota used up"),
    "busy": (429, "Too many requests at once"),
    "overloaded": (503, "Overloaded"),
    "recovering": (503, "Recovering its own log"),
    "read_only": (503, "Read only"),
    "deadline": (504, "No time left"),
    "upstream": (504, "No answer from behind"),
}
RETRIED = frozenset({"quota", "busy", "overloaded", "recovering", "read_only", "deadline", "upstream", "in_progress"})
FRESH_ONCE = frozenset({"unknown_key", "stale"})


class Problem(Exception):
    """An answer that is not the one hoped for, as RFC 9457 writes it; `code` is a row of PROBLEMS."""

    def __init__(self, code: str, *, reasons: tuple[str, ...] = (), retry_after: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status, self.title = PROBLEMS[code]
        self.reasons = reasons
        self.retry_after = retry_after or (1 if self.status in (429, 503) or code == "in_progress" else None)

    def body(self) -> dict[str, object]:
        """The problem as JSON; no personal data, no stack, no text of an exception."""
        found: dict[str, object] = {
            "type": f"urn:tongban:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "instance": f"urn:uuid:{uuid.uuid4()}",
        }
        if self.retry_after is not None:
            found["retry_after"] = self.retry_after
        if self.reasons:
            found["reasons"] = list(self.reasons)
        return found


class CallFailed(Failure):
    """No usable answer from the other node 没有接通: away, too slow, unsigned, overloaded; the fallback is yours to take.

    `problem` is a code of PROBLEMS or `transport`, `breaker_open`, `unknown_node`; `retryable` tells whether the same
    call may succeed later. Source: federation.md 4.
    """

    code = "federation.call_failed"
    status = 503

    def __init__(self, problem: str, retryable: bool = True, *, retry_after: int | None = None) -> None:
        super().__init__(
            "federation.call_failed",
            sentence="对方系统现在接不通",
            todo="过几分钟再试，填过的内容都在",
            retry_after=retry_after or 30,
        )
        self.problem = problem
        self.retryable = retryable

    def __str__(self) -> str:
        return f"federation.call_failed:{self.problem}"


class CallRefused(Failure):
    """The other node answered and said no 对方不予办理; a handler in CALLS raises it to say so.

    `status_code` and `problem` are a row of PROBLEMS (`no_grant`, `not_found`, `refused` …); `reasons` are stable codes
    of the service, meaningful with `refused`.
    """

    code = "federation.call_refused"
    status = 403

    def __init__(self, status: int, problem: str, reasons: tuple[str, ...] | list[str] = ()) -> None:
        if PROBLEMS.get(problem, (0, ""))[0] != status:
            raise ValueError(f"{status} {problem} is not in the problem table of federation.md 4")
        super().__init__(
            "federation.call_refused",
            sentence="对方没有同意这次查询",
            todo="按页面上的其他办法办",
            ask="有疑问请打 12345",
        )
        self.status_code = status
        self.problem = problem
        self.reasons = tuple(reasons)

    def __str__(self) -> str:
        return f"federation.call_refused:{self.problem}"


class NotMember(Failure):
    """This node has no directory yet: it is not enrolled (尚未入网)."""

    code = "federation.not_member"
    status = 503

    def __init__(self) -> None:
        super().__init__(sentence="本节点还没有入网", todo="请平台管理员先完成入网", ask="请打 12345", retry_after=30)


class UnknownNode(Failure):
    """The directory names no such node, or it is gone (目录里没有这个节点)."""

    code = "federation.unknown_node"
    status = 404

    def __init__(self) -> None:
        super().__init__(sentence="节点目录里没有这个地方", todo="请确认地区选对了")


class Recovering(Failure):
    """This node's database was put back and its letters are on their way home: nothing of legal effect is done (恢复中)."""

    code = "federation.recovering"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            sentence="系统正在恢复数据，现在只能查看", todo="过几分钟再办，已经交上去的都在", ask="急办请打 12345", retry_after=30
        )


class StaleTrust(Failure):
    """The directory is past its time: what needs the highest level is not done on old trust (信任过期, federation.md 3)."""

    code = "federation.stale_trust"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            sentence="这件事要最高级别的核验，现在和全国的核对断开了，暂时不能办", todo="填过的都在，过一会儿再来办；别的事照常能办",
            ask="急办请打 12345", retry_after=300,
        )  # fmt: skip


class LetterTooLarge(Failure):
    """A letter over 256 KiB; larger content goes by digest and call (federation.md 8)."""

    code = "federation.letter_too_large"
    status = 413

    def __init__(self) -> None:
        super().__init__(sentence="要转送的内容太大", todo="请减少附件或内容后再交")


class EnrolmentRefused(Failure):
    """The hub did not take the application, or the candidate did not believe the hub (入网没有通过).

    `reason` is a stable word: wrong_code, expired, spent, wrong_root, wrong_proof, csr, refused, same_officer, …
    """

    code = "federation.enrolment_refused"
    status = 422

    def __init__(self, reason: str, sentence: str = "入网没有通过") -> None:
        super().__init__(sentence=sentence, todo="核对邀请码和根证书指纹，必要时请枢纽重新邀请")
        self.reason = reason

    def __str__(self) -> str:
        return f"federation.enrolment_refused:{self.reason}"


class LetterStuck(Failure):
    """A letter that cannot be taken as things stand and waits for a person (等人处理的信).

    Rooms subclass it and give `code` and `words`: what happened and what to do, for the operators' page. The words are the
    same for every letter, so nothing personal can stand in them.
    """

    code = "federation.letter_stuck"
    status = 409
    words: ClassVar[str] = "这封信现在办不了，要人处理"

    def __init__(self) -> None:
        super().__init__(sentence=type(self).words, todo="在“节点互联”里看这封信", ask="本单位运维")


class NotYet(Exception):
    """Raised by a REINSTATE handler: the fact can be put back when another letter has come (还要等). Tried again by the clock."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Contradicts(Exception):
    """Raised by a REINSTATE handler: the fact contradicts what was decided since (对不上). It waits for a person."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
