"""bench verify-presentation: whole verification of a `GZ1:` code in process, against the bare SM2 verification of the same bytes.

Whole: Base45, COSE, key lookup, SM2, claims, times, verdict. Limit: the same signature over the same bytes by the same
library call, nothing else. Both alternate in rounds of some 15 ms, each going first every other time, and
processor time is counted, so that a busy machine slows both alike. Target 0.85 (architecture.md 16).
"""

from __future__ import annotations

import gc
import statistics
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import cbor2
from _line import line

from tongban.credentials.model import Shown
from tongban.credentials.queries.types import _load
from tongban.credentials.rules import base45, presentation, verdicts
from tongban.kernel.gm import Sm2PrivateKey

ROUNDS, COUNT = 100, 30
TARGET = 0.85


class Key:
    kid = "500000/s1"

    def __init__(self) -> None:
        self.private = Sm2PrivateKey.generate()

    def sign(self, data: bytes) -> bytes:
        return self.private.sign(data)


def main() -> None:
    key, at = Key(), datetime.now(UTC).replace(microsecond=0)
    folder = Path(__file__).resolve().parents[1] / "items" / "credentials"
    library = _load(folder)
    kind, purpose = next(one for one in library.by_code.values() if one.name == "营业执照"), library.purposes["bank_company"]
    texts = [
        presentation.encode(
            key, home="500000", issuer="510000", org_code="11510100MB0000001Y", org_name="成都市市场监督管理局（演示）", type_code=kind.code,
            opaque=number.to_bytes(16, "big"), attributes={1: "91510100MADEMA1T0P", 2: "成都市演示科技有限公司"}, state="valid",
            state_at=at - timedelta(minutes=3), valid_until=date(2036, 5, 11), at=at, jti=number.to_bytes(8, "big"),
        )
        for number in range(COUNT)
    ]  # fmt: skip
    parts = [cbor2.loads(base45.decode(text[4:])) for text in texts]
    bare = [(presentation.signed_bytes(one[0], one[2]), one[3]) for one in parts]
    public = key.private.public
    keys = {key.kid: public}

    def find(kid: str, _seconds: int):
        return keys.get(kid)

    now = at.timestamp() + 1

    def whole(text: str) -> bool:
        shown = presentation.read(text, find, now)
        assert isinstance(shown, Shown)
        facts = verdicts.Facts(at, "ok", shown.state, shown.state_at, shown.valid_until, "四川省", "重庆市")
        return verdicts.verdict(shown, kind, purpose, facts).kind == "valid"

    def bare_seconds() -> float:
        begin = time.process_time()
        assert all(public.verify(data, signature) for data, signature in bare)
        return time.process_time() - begin

    def whole_seconds() -> float:
        begin = time.process_time()
        assert all(whole(text) for text in texts)
        return time.process_time() - begin

    gc.collect()
    gc.freeze()  # as a serving node does (main/serve.py)
    rates: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        if number % 2:
            second, first = whole_seconds(), bare_seconds()
        else:
            first, second = bare_seconds(), whole_seconds()
        rates.append((COUNT / first, COUNT / second))
    limit, figure = statistics.median(one for one, _ in rates), statistics.median(one for _, one in rates)
    ratio = statistics.median(two / one for one, two in rates)
    print(
        f"  bare SM2 verify {limit:.0f}/s, whole verification {figure:.0f}/s, one thread, {ROUNDS}x{COUNT}, median of ratios"
    )
    print(line("verify-presentation", figure, "per_s", ratio, "bare-SM2-verify", TARGET))


if __name__ == "__main__":
    main()
