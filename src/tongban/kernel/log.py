"""Log 日志: named events with a closed list of fields, so that nothing personal can slip in (privacy.md 8)."""

from __future__ import annotations

import logging
import sys
from types import ModuleType
from typing import cast

# structlog's console looks for `rich` to paint tracebacks with; reading that in is a tenth of a node's start, and no arguments may be shown
_absent = "rich" not in sys.modules
if _absent:
    sys.modules["rich"] = cast("ModuleType", None)
import structlog  # noqa: E402

if _absent:
    del sys.modules["rich"]

# Only these may be logged. Each is an id of a case, item, node or key, a code, a count or milliseconds.
FIELDS = frozenset({
    "account_count", "address_block", "app", "attempts", "bytes", "case_id", "clock", "code", "count", "credential_id",
    "database", "digest", "epoch", "error", "item", "job", "kid", "kind", "leaf", "level", "ms", "node", "origin", "path",
    "peer", "pid", "place", "port", "reason", "route", "seq", "service", "state", "status", "trace", "url", "version",
})  # fmt: skip

_logger = structlog.get_logger()


def set_up(*, json: bool = True, level: int = logging.INFO) -> None:
    """Send events to standard error as JSON lines, or in colour for a person at a terminal (设置日志)."""
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True), renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def log(event: str, *, level: int = logging.INFO, **fields: str | int | None) -> None:
    """Write one event (记一条日志). An undeclared field is a TypeError: the list above is the whole vocabulary.

    >>> log("cases.submitted", name="刘某某")
    Traceback (most recent call last):
    ...
    TypeError: log field not declared: name
    """
    strange = fields.keys() - FIELDS
    if strange:
        raise TypeError("log field not declared: " + ", ".join(sorted(strange)))
    _logger.log(level, event, **fields)


def log_failure(event: str, error: BaseException, **fields: str | int | None) -> None:
    """Log an exception by type and place, never with its arguments (privacy.md 8) (记一次故障)."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if "tongban" in code.co_filename:
            place = f"{code.co_filename.rsplit('tongban', 1)[-1]}:{trace.tb_lineno}"
        trace = trace.tb_next
    log(event, level=logging.ERROR, error=type(error).__name__, place=place, **fields)
