"""Judging a citizen's certificate 个人数字证书: chain, dates, status, holder and signature, all by us (identity.md 3). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tongban.kernel.gm import CertificateRefused, x509


def judge(
    *, certificate: bytes, signature: bytes, challenge: bytes, holder: str, anchors: Iterable[bytes], revoked: Iterable[int], at: datetime
) -> str:
    """Empty when the holder's living certificate signed this challenge, else the first thing wrong (ASCII, for the log)."""
    try:
        found = x509.verify_chain(certificate, anchors, at, use="sign")
    except CertificateRefused as error:
        return str(error.args[0]) if error.args else "x509"
    if found.common_name != holder:
        return "another holder"
    if found.serial in set(revoked):
        return "revoked"
    return "" if found.public.verify(challenge, signature) else "signature"
