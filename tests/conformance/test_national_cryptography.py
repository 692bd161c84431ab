"""Published vectors of SM2, SM3, SM4 and the node protocol, and the openssl program as judge."""

import base64
import hashlib
import hmac
import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tongban.kernel import gm
from tongban.kernel.gm import Sm2PrivateKey, Sm2PublicKey, hashes, x509
from tongban.kernel.gm.gmssl import Gmssl
from tongban.kernel.gm.libcrypto import Libcrypto

D = bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8")
POINT = bytes.fromhex(
    "0409F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
BACKENDS = [Libcrypto(), Gmssl()]
AT = datetime(2026, 11, 18, tzinfo=UTC)
OPENSSL = shutil.which("openssl")


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda one: one.name)
def test_sm2_signature_of_gmt_0003_5(backend):
    signature = bytes.fromhex(
        "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
        "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
    )
    key = Sm2PublicKey(POINT, using=backend)
    assert Sm2PrivateKey(D, using=backend).public == key
    assert key.verify(b"message digest", signature)
    assert not key.verify(b"message digesu", signature)


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda one: one.name)
def test_sm2_decryption_of_gmt_0003_5(backend):
    x = bytes.fromhex("04EBFC718E8D1798620432268E77FEB6415E2EDE0E073C0F4F640ECD2E149A73")
    y = bytes.fromhex("E858F9D81E5430A57B36DAAB8F950A3C64E6EE6A63094D99283AFF767E124DF0")
    c3 = bytes.fromhex("59983C18F809E262923C53AEC295D30383B54E39D609D160AFCB1908D0BD8766")
    c2 = bytes.fromhex("21886CA989CA9C7D58087307CA93092D651EFA")
    body = b"\x02\x20" + x + b"\x02\x21\x00" + y + b"\x04\x20" + c3 + b"\x04\x13" + c2
    assert Sm2PrivateKey(D, using=backend).decrypt(b"\x30" + bytes([len(body)]) + body) == b"encryption standard"


def test_sm3_of_gbt_32905():
    assert gm.sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert gm.sm3(b"abcd" * 16).hex() == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 1000])
def test_the_two_sm3_agree(size):
    data = bytes(range(256)) * 4
    assert (
        hashes._sm3_bundled(data[:size]) == hashes._sm3_system(data[:size]) == hashlib.new("sm3", data[:size]).digest()
    )
    assert hashes._hmac_bundled(b"k" * 20, data[:size]) == hashes._hmac_system(b"k" * 20, data[:size])
    assert gm.hmac_sm3(b"k", data[:size]) == hmac.new(b"k", data[:size], "sm3").digest()


def test_sm4_gcm_of_rfc_8998():
    key, nonce = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"), bytes.fromhex("00001234567800000000ABCD")
    aad = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
    plain = b"".join(bytes([sign]) * 8 for sign in (0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF, 0xEE, 0xAA))
    body = bytes.fromhex(
        "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
        "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
    )
    tag = bytes.fromhex("83DE3541E4C2B58177E065A9BF7B62EC")
    assert gm.sm4_gcm_encrypt(key, nonce, plain, aad) == (body, tag)
    assert gm.sm4_gcm_decrypt(key, nonce, body, tag, aad) == plain


def test_letter_vectors_of_the_node_protocol():
    body = {
        "term": 1, "state": "accepted", "rev": 3, "case": "019aa5c0-7d1e-7c3a-9f10-2b7e5a4c8d01",
        "basis": {"version": "3", "item": "11510100MB1234567X2000131003000"}, "accepted_on": "2026-11-20",
    }  # fmt: skip
    assert gm.digest(gm.jcs(body)) == "sm3:RgPJiXj_EB4M3oz1_fVjfZOgwyIenPOW40n2Qz84TPE"
    head = {
        "v": 1, "id": "019aa5c4-02b7-7e55-8a41-6c1de0b7f902", "from": "510000", "to": "500000", "epoch": 1793000000,
        "seq": 4712, "prev": {"seq": 4698, "digest": "sm3:EDkyycgrROhLUfZFCIj6pzY7eDVpS4u_9mA2XmJ5X70"},
        "kind": "case.state", "kind_version": 1, "about": "case:019aa5c0-7d1e-7c3a-9f10-2b7e5a4c8d01",
        "at": 1795170613204, "body": gm.digest(gm.jcs(body)),
    }  # fmt: skip
    assert gm.jcs(head) == (
        b'{"about":"case:019aa5c0-7d1e-7c3a-9f10-2b7e5a4c8d01","at":1795170613204,'
        b'"body":"sm3:RgPJiXj_EB4M3oz1_fVjfZOgwyIenPOW40n2Qz84TPE","epoch":1793000000,"from":"510000",'
        b'"id":"019aa5c4-02b7-7e55-8a41-6c1de0b7f902","kind":"case.state","kind_version":1,'
        b'"prev":{"digest":"sm3:EDkyycgrROhLUfZFCIj6pzY7eDVpS4u_9mA2XmJ5X70","seq":4698},"seq":4712,"to":"500000","v":1}'
    )
    assert gm.digest(gm.jcs(head)) == "sm3:BHRdbLQ_1AkhT2Q96wgY5QLAHkFG87zYNcvldNL1fbA"
    signature = gm.unb64("A2v8wXg4teB-zTzTghkaeVGToSCjUgJ7I1iWXUajAjJNirBh7htOz8aFqMz74z2J8b9dCxzR59LUc-nBA4GWKA")
    assert Sm2PublicKey(POINT).verify(gm.jcs(head), signature)


def test_call_vector_of_the_node_protocol():
    body = b'{"number":"DEMO-0001","purpose":"case:019aa5c0-7d1e-7c3a-9f10-2b7e5a4c8d01"}'
    content_digest = base64.b64encode(gm.sm3(body)).decode()
    assert content_digest == "ePkmHVLw2tP61yKm6VjaaWHTXet0P7Wbf/1RlasLm6g="
    names = '"@method" "@path" "@query" "content-digest" "content-type" "tongban-from" "tongban-to" "tongban-budget" "idempotency-key"'
    base = "\n".join(
        [
            '"@method": POST', '"@path": /federation/call/mps.person.check', '"@query": ?',
            f'"content-digest": sm3=:{content_digest}:', '"content-type": application/json', '"tongban-from": 500000',
            '"tongban-to": mps', '"tongban-budget": 2500', '"idempotency-key": 019aa5c4-5d10-7a02-b1c7-0f3e9a6d4c11',
            (f'"@signature-params": ({names});created=1795170613;expires=1795170643;nonce="q2Zp3oYw1kT0m8Vb5s9dXg"'
            ';keyid="500000/s1";alg="sm2-sm3";tag="tongban-call-1"'),
        ]
    ).encode()  # fmt: skip
    assert gm.sm3(base).hex() == "98eb7fdc1b24cf78b15609743654779e4f9f7f22bc1bbb93df6e1a5c1b4119da"
    signature = "iNsewy+LeGPGI9KyFG4LFXqKa+cscwGkLaFsUPVloPA4V1c52HDHP5/Al6UBPUWp/9HEYRwRrTCVZNPkcRxLeQ=="
    assert Sm2PublicKey(POINT).verify(base, base64.b64decode(signature))


def test_jcs_of_rfc_8785():
    """Section 3.2.3: names are ordered by UTF-16 code units; section 3.2.2.2: the shortest escapes."""
    names = {"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
             "\U0001f600": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"}  # fmt: skip
    assert list(json.loads(gm.jcs(names))) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    text = '\u20ac$\u000f\nA\'B"\\\\"/\u2028\x7f'
    assert gm.jcs(text) == b'"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\xe2\x80\xa8\x7f"'


@pytest.mark.parametrize(("signs", "checks"), [BACKENDS, BACKENDS[::-1]], ids=["libcrypto-gmssl", "gmssl-libcrypto"])
def test_two_implementations_agree(signs, checks):
    for number in range(20):
        key = Sm2PrivateKey.generate(using=signs)
        other = Sm2PrivateKey(key.to_bytes(), using=checks)
        assert other.public == key.public
        data = bytes([number]) * number * 7
        assert other.public.verify(data, key.sign(data))
        assert not other.public.verify(data + b"x", key.sign(data))
        secret = bytes([number + 1]) * (number + 1)
        assert other.decrypt(key.public.encrypt(secret)) == secret


def pem(der: bytes, kind: str) -> str:
    return f"-----BEGIN {kind}-----\n{base64.encodebytes(der).decode()}-----END {kind}-----\n"


def openssl(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([str(OPENSSL), *map(str, arguments)], capture_output=True, text=True, timeout=30, check=False)


needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="no openssl program on this machine")


@needs_openssl
def test_openssl_takes_our_signature_and_we_take_its(tmp_path: Path):
    key = Sm2PrivateKey(D)
    pkcs8 = bytes.fromhex("308187020100301306072a8648ce3d020106082a811ccf5501822d046d306b0201010420")
    (tmp_path / "d.pem").write_text(pem(pkcs8 + D + b"\xa1\x44\x03\x42\x00" + POINT, "PRIVATE KEY"))
    (tmp_path / "p.pem").write_text(pem(key.public.spki, "PUBLIC KEY"))
    (tmp_path / "m").write_bytes(b"a letter")
    (tmp_path / "s").write_bytes(gm.raw_to_der(key.sign(b"a letter")))
    how = ("-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678", "-in", tmp_path / "m")
    judged = openssl("pkeyutl", "-verify", "-pubin", "-inkey", tmp_path / "p.pem", "-sigfile", tmp_path / "s", *how)
    assert "Signature Verified Successfully" in judged.stdout
    assert openssl("pkeyutl", "-sign", "-inkey", tmp_path / "d.pem", "-out", tmp_path / "t", *how).returncode == 0
    assert key.public.verify(b"a letter", gm.der_to_raw((tmp_path / "t").read_bytes()))


@needs_openssl
def test_openssl_opens_what_we_encrypt(tmp_path: Path):
    pkcs8 = bytes.fromhex("308187020100301306072a8648ce3d020106082a811ccf5501822d046d306b0201010420")
    (tmp_path / "d.pem").write_text(pem(pkcs8 + D + b"\xa1\x44\x03\x42\x00" + POINT, "PRIVATE KEY"))
    (tmp_path / "c").write_bytes(Sm2PublicKey(POINT).encrypt(b"sixteen byte key"))
    done = openssl("pkeyutl", "-decrypt", "-inkey", tmp_path / "d.pem", "-in", tmp_path / "c")
    assert done.stdout == "sixteen byte key", done.stderr


@needs_openssl
def test_openssl_takes_our_certificates(tmp_path: Path):
    root_key, node_key = Sm2PrivateKey.generate(), Sm2PrivateKey.generate()
    root = x509.make_root(root_key, common_name="根证书（演示）", organisation="国家节点（演示）", at=AT)
    request = x509.make_csr(node_key, node="510000", organisation="四川省（演示）")
    (tmp_path / "root.pem").write_text(pem(root, "CERTIFICATE"))
    (tmp_path / "csr.pem").write_text(pem(request, "CERTIFICATE REQUEST"))
    asked = x509.read_csr(request)
    for use in ("sign", "encrypt", "directory"):
        leaf = x509.make_leaf(
            x509.read(root), root_key, public=asked.public, common_name=asked.common_name,
            organisation=asked.organisation, use=use, at=AT, node=asked.node,
        )  # fmt: skip
        (tmp_path / "leaf.pem").write_text(pem(leaf, "CERTIFICATE"))
        id_option = ("-vfyopt", "distid:1234567812345678")
        moment = int((AT + timedelta(days=1)).timestamp())
        judged = openssl(
            "verify",
            *id_option,
            "-x509_strict",
            "-attime",
            moment,
            "-CAfile",
            tmp_path / "root.pem",
            tmp_path / "leaf.pem",
        )
        assert judged.returncode == 0, judged.stdout + judged.stderr
        text = openssl("x509", "-in", tmp_path / "leaf.pem", "-noout", "-text").stdout
        assert "URI:urn:tongban:node:510000" in text
    judged = openssl("req", "-verify", *id_option, "-in", tmp_path / "csr.pem", "-noout")
    assert "verify OK" in judged.stdout + judged.stderr


@needs_openssl
def test_we_take_a_certificate_that_openssl_made(tmp_path: Path):
    done = openssl(
        "req", "-x509", "-newkey", "sm2", "-nodes", "-sm3", "-sigopt", "distid:1234567812345678", "-keyout", tmp_path / "k",
        "-out", tmp_path / "c", "-outform", "DER", "-subj", "/C=CN/O=other/CN=other root", "-days", 30,
        "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    der = (tmp_path / "c").read_bytes()
    read = x509.read(der)
    assert x509.verify_chain(der, [der], read.not_before).is_ca
    assert x509._signed_by(read, read)
