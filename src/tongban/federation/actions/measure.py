"""Figures of the post 互联指标 (federation.md 10). Peers and kinds are bounded labels; ids never are."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

CALL_SECONDS: Final = Histogram(
    "federation_call_seconds", "Calls to other nodes", ["peer", "service", "outcome"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0),
)  # fmt: skip
BREAKER_STATE: Final = Gauge("federation_breaker_state", "0 closed, 1 half open, 2 open", ["peer", "service"])
SIGNATURE_FAILURES: Final = Counter("federation_signature_failures", "Messages refused", ["peer", "code"])
DIRECTORY_VERSION: Final = Gauge("federation_directory_version", "Directory version held")
DIRECTORY_AGE: Final = Gauge("federation_directory_age_seconds", "Seconds since the directory was issued")
STALE_TRUST: Final = Gauge("federation_stale_trust", "1 when the directory is past its time")
UNSTAMPED: Final = Gauge("federation_outbox_unstamped", "Letters without a number")
OLDEST_UNSTAMPED: Final = Gauge("federation_outbox_oldest_unstamped_seconds", "Age of the oldest of them")
LETTERS: Final = Counter("federation_letters", "Letters that came", ["origin", "kind", "outcome"])
LAG: Final = Gauge("federation_lag_letters", "Letters the origin has stamped beyond what is read here", ["origin"])
HEAD_AGE: Final = Gauge("federation_head_age_seconds", "Age of the newest head statement", ["origin"])
PULL_PATH: Final = Gauge("federation_pull_path", "0 by the hub, 1 direct", ["origin"])
PARKED: Final = Gauge("federation_parked", "Letters that wait", ["origin"])
STOPPED: Final = Gauge("federation_stopped", "1 when nothing is taken from the origin", ["origin", "reason"])
EPOCH: Final = Gauge("federation_epoch", "Epoch of the node's log", ["node"])
RECOVERING: Final = Gauge("federation_recovering", "1 when the stamper is stopped for recovery")
RETURNED: Final = Counter("federation_returned", "Letters sent back to us", ["origin"])
CLOCK_OFFSET: Final = Gauge("federation_clock_offset_seconds", "Peer's clock minus ours", ["peer"])
CERTIFICATE_DAYS: Final = Gauge("federation_certificate_days_left", "Days until a listed certificate ends", ["kid"])
BREAKER_NUMBER: Final = {"closed": 0, "half_open": 1, "open": 2}
