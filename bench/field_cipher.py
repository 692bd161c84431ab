"""bench field-cipher: sealing and opening a personal column, against the bare SM4-GCM of the same library in the same run.

Whole: `FieldCipher.seal_bytes` and `open_bytes` with nonce, key version and the place of the value in table, row and column as
associated data. Limit: the same bytes under the same kind of key by the same library, one encryption with associated data and one
decryption, and nothing else. An identity number of 18 bytes and a document of 4 KB. All ways alternate in short rounds, and processor
time is counted, so that a busy machine slows all alike. Target: at most twice the bare cipher (R-801); both sizes must meet it.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _line import line
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM

from tongban.kernel.gm import FieldCipher, FileKeyStore

ROUNDS, COUNT = 80, 60
TARGET = 2.0
SUBJECT, COLUMN = "n1" + "q" * 30, "person.number"
NUMBER = b"500103199003079999"
DOCUMENT = ("演示" * 683).encode()[:4096]


def seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    for _ in range(COUNT):
        work()
    return time.process_time() - begin


def ratio(cipher: FieldCipher, key: bytes, plain: bytes) -> tuple[float, float]:
    """(whole seconds a value sealed and opened, whole / bare), medians over all rounds."""
    nonce, place = b"n" * 12, f"person:{SUBJECT}:number".encode()
    algorithm = SM4(key)

    def bare() -> bytes:
        out = Cipher(algorithm, GCM(nonce)).encryptor()
        out.authenticate_additional_data(place)
        body = out.update(plain)
        out.finalize()
        back = Cipher(algorithm, GCM(nonce, out.tag)).decryptor()
        back.authenticate_additional_data(place)
        opened = back.update(body)
        back.finalize()
        return opened

    def whole() -> bytes:
        return cipher.open_bytes("sensitive", COLUMN, SUBJECT, cipher.seal_bytes("sensitive", COLUMN, SUBJECT, plain))

    assert bare() == whole() == plain
    found = []
    for number in range(ROUNDS):
        first, second = (bare, whole) if number % 2 else (whole, bare)
        one, two = seconds(first), seconds(second)
        found.append((one, two) if first is bare else (two, one))
    return statistics.median(two for _, two in found) / COUNT, statistics.median(two / one for one, two in found)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tongban-bench-") as name:
        store = FileKeyStore(Path(name) / "keys", "500000")
        cipher, key = FieldCipher(store), store.data_keys("sensitive")[1]
        gc.collect()
        gc.freeze()  # as a serving node does (main/serve.py)
        small, small_ratio = ratio(cipher, key, NUMBER)
        large, large_ratio = ratio(cipher, key, DOCUMENT)
    print(f"18 bytes {small * 1e6:.1f} us a value sealed and opened, ratio {small_ratio:.2f}; 4 KB {large * 1e6:.1f} us, ratio {large_ratio:.2f}")
    print(line("field-cipher", 1 / small, "values/s", max(small_ratio, large_ratio), "bare_sm4_gcm", TARGET, at_most=True))


if __name__ == "__main__":
    main()
