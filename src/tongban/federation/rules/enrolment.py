"""Enrolment 入网规则: the code, the two proofs, the digits both officers read to each other (federation.md 2). Pure."""

from __future__ import annotations

import hmac
import secrets
from typing import Any, Final

from tongban.federation.rules.wire import as_uuid8
from tongban.kernel.gm import CertificateRefused, b64, hmac_sm3, jcs, sm3, x509

CODE_LIFE_MS: Final = 72 * 3600 * 1000
WRONG_PROOFS: Final = 5
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_LOOKALIKES: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})


def new_code() -> str:
    """128 random bits in Crockford base32, groups of 4 (邀请码): shown once, handed over outside the network."""
    number = secrets.randbits(128)
    text = "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def code_bytes(code: str) -> bytes:
    """The 16 bytes of a code as a person typed it: case, dashes, blanks and O/I/L do not matter. ValueError otherwise."""
    text = "".join(code.upper().split()).replace("-", "").translate(_LOOKALIKES)
    if len(text) != 26 or any(letter not in _ALPHABET for letter in text):
        raise ValueError("an invitation code has 26 letters and digits")
    number = 0
    for letter in text:
        number = number * 32 + _ALPHABET.index(letter)
    if number >> 128:
        raise ValueError("an invitation code is 128 bits")
    return number.to_bytes(16, "big")


def invitation_id(code: str) -> str:
    """The invitation's id, made from the code so that the code is all that is handed over. One way only."""
    return as_uuid8(sm3(b"tongban invitation" + code_bytes(code)))


def proof(code: str, message: dict[str, Any]) -> str:
    """HMAC-SM3(code, JCS(all but proof)): proves to each side that the other has the code, without sending it."""
    return b64(hmac_sm3(code_bytes(code), jcs({name: value for name, value in message.items() if name != "proof"})))


def proof_holds(code: str, message: dict[str, Any]) -> bool:
    given = message.get("proof")
    return isinstance(given, str) and hmac.compare_digest(given.encode(), proof(code, message).encode())


def digits(csr_sign: bytes, csr_enc: bytes, nonce: bytes) -> tuple[str, ...]:
    """Eight groups of five digits from SM3(csr_sign ‖ csr_enc ‖ nonce) that two officers compare by telephone (比对码)."""
    mark = sm3(csr_sign + csr_enc + nonce)
    return tuple(f"{int.from_bytes(mark[at : at + 4], 'big') % 100_000:05d}" for at in range(0, 32, 4))


def root_fingerprint(cert: bytes) -> str:
    """SM3 of the DER of a hub root as people compare it: 64 hexadecimal digits in groups of 4."""
    text = sm3(cert).hex()
    return " ".join(text[start : start + 4] for start in range(0, 64, 4))


def same_fingerprint(cert: bytes, said: str) -> bool:
    return hmac.compare_digest(sm3(cert).hex(), "".join(said.split()).lower())


def requests_fault(csr_sign: bytes, csr_enc: bytes, node: str) -> str | None:
    """Why the two certificate requests cannot be taken: `csr` (unreadable, not self-signed, another node), `same_key`."""
    try:
        first, second = x509.read_csr(csr_sign), x509.read_csr(csr_enc)
    except CertificateRefused:
        return "csr"
    if first.node != node or second.node != node:
        return "csr"
    return "same_key" if first.public == second.public else None
