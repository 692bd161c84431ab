"""Certificate revocation lists: read back, and refused when anything of them is another's (R-801, T-49)."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from tongban.kernel.gm import CertificateRefused, Sm2PrivateKey, crl, x509

NOW = datetime(2026, 11, 18, 2, tzinfo=UTC)


def root(key):
    return x509.read(x509.make_root(key, common_name="tongban root cn", organisation="11100000000013338W", at=NOW))


@pytest.fixture
def key():
    return Sm2PrivateKey.generate()


def made(issuer, key, count=2):
    entries = [crl.RevokedCertificate(1000 + n, NOW - timedelta(hours=n), "key_compromise") for n in range(count)]
    return crl.make(issuer, key, entries, number=7, at=NOW, until=NOW + timedelta(days=7))


def test_what_was_revoked_is_read_back(key):
    found = crl.read(made(root(key), key), root(key))
    assert found.number == 7
    assert set(found.revoked) == {1000, 1001}
    assert found.revoked[1001].at == NOW - timedelta(hours=1)
    assert found.revoked[1000].reason == "key_compromise"
    assert found.next_update == NOW + timedelta(days=7)


def test_an_empty_list_says_so(key):
    assert crl.read(made(root(key), key, 0), root(key)).revoked == {}


def test_a_changed_list_or_anothers_is_refused(key):
    der, other = made(root(key), key), Sm2PrivateKey.generate()
    at = der.index((1001).to_bytes(2, "big"))
    for wrong, issuer in ((der[:at] + b"\x03\xee" + der[at + 2 :], root(key)), (der, root(other)), (b"\x30\x03\x02\x01\x01", root(key))):
        with pytest.raises(CertificateRefused):
            crl.read(wrong, issuer)


def test_only_a_root_signs_lists(key):
    leaf = x509.read(
        x509.make_leaf(
            root(key), key, public=key.public, common_name="cn", organisation="11100000000013338W", use="sign", at=NOW, node="cn"
        )
    )
    with pytest.raises(CertificateRefused):
        crl.make(leaf, key, [], number=1, at=NOW, until=NOW + timedelta(days=1))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
def test_openssl_reads_the_same(key, tmp_path):
    """It reads them; of an SM2 signature over a list it cannot judge (crypto.md 3), so only the content is compared."""
    path = tmp_path / "list.crl"
    path.write_bytes(made(root(key), key))
    words = ["openssl", "crl", "-inform", "DER", "-in", str(path), "-noout", "-text"]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    for text in ("Serial Number: 03E8", "Serial Number: 03E9", "Key Compromise", "SM2-with-SM3", "X509v3 CRL Number"):
        assert text in told, told
