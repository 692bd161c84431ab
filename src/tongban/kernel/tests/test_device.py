"""Keys behind a PKCS#11 device: what signs inside stays inside, what is sealed by it opens nowhere else (R-801, T-49).

SoftHSM of Debian stands for the device; it has no SM2, so SM2 keys are sealed by it and never said to be inside. A device that
has an SM2 mechanism of its own is a twin here that signs digests as such a device would.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tongban.kernel.gm import BadKey, CannotOpen, FieldCipher, FileKeyStore, Sm2PrivateKey, Sm2PublicKey
from tongban.kernel.gm.curve import public_point
from tongban.kernel.gm.encoding import SM2_N
from tongban.kernel.gm.token import Pkcs11Token, TokenSigner, TokenSm2Signer

MODULE = next((Path(one) for one in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so") if Path(one).exists()), None)
PIN = "12345678"


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    if MODULE is None or shutil.which("softhsm2-util") is None:
        if os.environ.get("TONGBAN_NO_SKIP"):
            pytest.fail("softhsm2 is needed here and is not installed")
        pytest.skip("no SoftHSM on this machine: device tests skipped")
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "conf")
    words = ["softhsm2-util", "--init-token", "--free", "--label", "tongban", "--pin", PIN, "--so-pin", "87654321"]
    subprocess.run(words, check=True, capture_output=True)
    made = Pkcs11Token(MODULE, "tongban", PIN)
    yield made
    made.close()


@pytest.fixture
def store(token, tmp_path):
    return FileKeyStore(tmp_path / "keys", "510000", device=token)


def test_a_p256_key_signs_inside_and_its_value_cannot_be_read(token, store):
    key = store.outside("jose-es", "ES256")
    assert isinstance(key, TokenSigner)
    made = key.sign(b"a token")
    public = serialization.load_der_public_key(key.public)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(encode_dss_signature(int.from_bytes(made[:32], "big"), int.from_bytes(made[32:], "big")), b"a token", ec.ECDSA(hashes.SHA256()))
    import pkcs11

    with pytest.raises(pkcs11.exceptions.AttributeSensitive):
        key._key[pkcs11.Attribute.VALUE]
    assert not key._key[pkcs11.Attribute.EXTRACTABLE], "the key could leave the device"
    assert list(store._folder.glob("*.outside")) == []


def test_an_ed25519_key_signs_inside(store):
    key = store.outside("jose-ed", "Ed25519")
    public = serialization.load_der_public_key(key.public)
    public.verify(key.sign(b"a token"), b"a token")
    assert store.outside("jose-ed", "Ed25519").public == key.public
    with pytest.raises(BadKey):
        store.outside("jose-ed", "ES256")


def test_the_same_key_is_found_again_after_a_restart(token, store, tmp_path):
    first = store.outside("again", "ES256").public
    again = FileKeyStore(tmp_path / "keys", "510000", device=token)
    assert again.outside("again", "ES256").public == first
    assert again.signer("s1").public == store.signer("s1").public
    assert again.data_keys("case") == store.data_keys("case")


def test_sm2_keys_and_secrets_are_sealed_by_the_device_and_open_nowhere_else(token, store, tmp_path):
    signer = store.signer("s1")
    assert signer.public.verify(b"letter", signer.sign(b"letter"))
    secret = store.secret("master")
    for path in (tmp_path / "keys").iterdir():
        if path.is_file():
            text = path.read_text()
            assert text.startswith("sealed:"), f"{path.name} lies in the clear"
            assert secret.hex() not in text
    with pytest.raises(BadKey, match="sealed by a device"):
        FileKeyStore(tmp_path / "keys", "510000").signer("s1")
    (tmp_path / "keys" / "s2.key").write_bytes((tmp_path / "keys" / "s1.key").read_bytes())
    (tmp_path / "keys" / "s2.key").chmod(0o600)
    with pytest.raises(CannotOpen):
        store.signer("s2")  # moved under another name


def test_a_file_in_the_clear_is_refused_until_it_is_sealed(token, tmp_path):
    plain = FileKeyStore(tmp_path / "keys", "510000")
    public, blob = plain.signer("s1").public, FieldCipher(plain).seal("case", "a.b", "1", "演示")
    with_device = FileKeyStore(tmp_path / "keys", "510000", device=token)
    with pytest.raises(BadKey, match="not sealed"):
        with_device.signer("s1")
    assert with_device.seal_files() == 2
    assert with_device.seal_files() == 0
    assert with_device.signer("s1").public == public
    assert FieldCipher(with_device).open("case", "a.b", "1", blob).reveal() == "演示"


def test_an_index_key_that_turned_stays_sealed_by_the_device(token, store, tmp_path):
    """R-801: the keys of blind indexes, and what is left of a wiped one, are files like the others: nobody reads them without the device."""
    cipher = FieldCipher(store)
    mark = cipher.linked_marks("a.b", "演示")[0]
    for version in (2, 3):
        store.indexes.make(version)
        store.indexes.use(version, (version - 1,))
    store.indexes.use(3, ())
    store.indexes.narrow(2, ("a.b",))
    kept = (tmp_path / "keys" / "index-2.link").read_text("ascii")
    assert kept.startswith("sealed:")
    assert not (tmp_path / "keys" / "index-2.secret").exists()
    again = FileKeyStore(tmp_path / "keys", "510000", device=token)
    assert FieldCipher(again).led_on("a.b", mark) == FieldCipher(again).linked_marks("a.b", "演示")[0]
    with pytest.raises(BadKey):
        again.indexes.key(2, "another.column")


def test_a_wrong_pin_opens_nothing_and_is_not_told(token):
    with pytest.raises(BadKey) as refused:
        Pkcs11Token(MODULE, "tongban", "00000000")
    assert "00000000" not in str(refused.value)


class Twin:
    """A device with an SM2 mechanism of its own: it signs a 32-byte digest, as the vendor's number asks."""

    sm2_mechanism = 0x80000201

    def __init__(self) -> None:
        self._d = secrets.randbelow(SM2_N - 2) + 1
        self.asked: list[int] = []

    def sign(self, e: bytes, *, mechanism: int) -> bytes:
        self.asked.append(mechanism)
        assert len(e) == 32
        k = secrets.randbelow(SM2_N - 1) + 1
        point = public_point(k)
        r = (int.from_bytes(e, "big") + point[0]) % SM2_N
        s = pow(1 + self._d, -1, SM2_N) * (k - r * self._d) % SM2_N
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def sm2_signer(self, kid: str, label: str) -> TokenSm2Signer:
        import threading

        public = Sm2PublicKey(Sm2PrivateKey(self._d.to_bytes(32, "big")).public.point)
        return TokenSm2Signer(kid, self, public, self.sm2_mechanism, threading.Lock())

    def seal(self, name: str, plain: bytes) -> bytes:
        return plain[::-1]

    def open(self, name: str, blob: bytes) -> bytes:
        return blob[::-1]

    def signer(self, label: str, kind: str) -> TokenSigner:
        raise AssertionError(label)


def test_a_device_with_sm2_of_its_own_signs_what_others_verify(tmp_path):
    twin = Twin()
    store = FileKeyStore(tmp_path / "keys", "510000", device=twin)
    signer = store.signer("s1")
    assert signer.public.verify(b"letter", signer.sign(b"letter"))
    assert not signer.public.verify(b"lettre", signer.sign(b"letter"))
    assert twin.asked == [0x80000201] * 2
    assert not (tmp_path / "keys" / "s1.key").exists(), "the key was made outside the device"


def test_the_digest_that_is_signed_is_the_standards():
    """GM/T 0003.5, the worked example: Z and e of "message digest" under the published key."""
    key = Sm2PrivateKey(bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8"))
    assert key.public.message_digest(b"message digest").hex().upper() == "F0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640"

