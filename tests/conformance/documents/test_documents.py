"""Documents as a node gives them out, before judges that others wrote (issue 4, R-403, R-410): `openssl`, `gmssl-pyx`, `ofdkit`,
`easyofd` in its own environment, poppler's `pdfsig` and `pdftotext`. A missing judge is skipped by name, and is an error
where skipping is not allowed."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import gmssl_pyx
import msgspec
import ofdkit
import pytest
from cryptography import x509 as outside
from cryptography.hazmat.primitives.serialization import Encoding

from tongban import seals
from tongban.kernel.clock import SetClock
from tongban.kernel.gm import x509
from tongban.seals.rules import container, pdf_reading, ses
from tongban.seals.tests import make

ROOT = Path(__file__).resolve().parents[3]
ORG = ("11510100DEM000014N", "成都市市场监督管理局（演示）")
SIGNER_ID = "1234567812345678"
AT = str(int(make.AT.timestamp()))


class Sealed(msgspec.Struct):
    """What a node gave out, and whom it vouches for."""

    ofd: bytes
    pdf: bytes
    two: bytes
    anchors: seals.Anchors
    folder: Path


@pytest.fixture(scope="module")
async def sealed(make_node, tmp_path_factory):
    """One node, one seal, an OFD, a PDF and a PDF sealed twice."""
    node = await make_node("510000", clock=SetClock(make.AT))
    await seals.set_up(node)
    ofd, pdf = await seals.compose(make.document()), await seals.compose_pdf(make.document())
    right, left = seals.Placement(0, 140, 235), seals.Placement(0, 30, 235)
    async with node.db.transaction() as tx:
        seal = await seals.ensure_seal(tx, node, *ORG)
        once = await seals.seal_pdf(tx, node, seal, pdf, "审批决定", about="case:1", placement=right)
        twice = await seals.seal_pdf(tx, node, seal, once, "审批决定", about="case:1", placement=left)
        stamped = await seals.seal_document(tx, node, seal, ofd, "审批决定", about="case:1", placement=right)
        trusted = await seals.anchors(tx)
    folder = tmp_path_factory.mktemp("documents")
    roots = {"root.pem": trusted.pdf_makers[0], "sm2.pem": trusted.makers[0]}
    for name, der in roots.items():
        (folder / name).write_bytes(outside.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    for name, body in (("a.ofd", stamped), ("a.pdf", once), ("two.pdf", twice)):
        (folder / name).write_bytes(body)
    return Sealed(stamped, once, twice, trusted, folder)


@pytest.fixture(scope="module")
def easyofd(sealed):
    """That reader takes its time to start: it reads while the others judge."""
    python = judge("easyofd", ROOT / ".build" / "easyofd" / "bin" / "python")
    command = [python, "-W", "ignore", Path(__file__).with_name("easyofd_judge.py"), sealed.folder / "a.ofd", sealed.folder / "easy.pdf"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": ""})
    yield running
    running.kill()
    running.communicate()


def judge(name: str, where: Path | None = None) -> str:
    """The path of a judge's program."""
    found = (str(where) if where.exists() else None) if where is not None else shutil.which(name)
    if found is None:
        if os.environ.get("TONGBAN_NO_SKIP"):
            pytest.fail(f"{name} is needed here: sh deploy/install-judges.sh")
        pytest.skip(f"{name} is not on this machine: sh deploy/install-judges.sh")
    return found


def said_by(*command: Any) -> str:
    """All that a program says; its exit code is not believed (stack.md 12)."""
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def facts_of(sealed: Sealed) -> ses.SignatureFacts:
    return ses.read_signature(container.unpack(sealed.ofd)["Doc_0/Signs/Sign_0/SignedValue.dat"])


def pem(folder: Path, name: str, der: bytes) -> Path:
    path = folder / name
    path.write_bytes(outside.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    return path


def test_easyofd_is_set_to_work(easyofd):
    assert easyofd.poll() is None or easyofd.returncode == 0


def test_openssl_accepts_the_certificates_of_a_seal(sealed):
    """Maker and signer below the SM2 root, PDF signer and clock below the P-256 root."""
    openssl, facts = judge("openssl"), facts_of(sealed)
    for name, der in (("signer.pem", facts.certificate), ("maker.pem", facts.seal.maker)):
        path = pem(sealed.folder, name, der)
        answer = said_by(openssl, "verify", "-attime", AT, "-vfyopt", f"distid:{SIGNER_ID}", "-CAfile", sealed.folder / "sm2.pem", path)
        assert answer.rstrip().endswith("OK"), answer
    found = pdf_reading.read(sealed.pdf).embedded_signatures[0]
    path = pem(sealed.folder, "pdf-signer.pem", found.signer_cert.dump())
    answer = said_by(openssl, "verify", "-attime", AT, "-CAfile", sealed.folder / "root.pem", path)
    assert answer.rstrip().endswith("OK"), answer


@pytest.mark.parametrize("who", ["signer", "maker"])
def test_openssl_and_gmssl_accept_the_signatures_on_an_ofd(sealed, who):
    """SM2 over DER(toSign) and over DER(eSealInfo), by two programs that are not ours; one changed byte and both refuse."""
    openssl, facts = judge("openssl"), facts_of(sealed)
    signed, signature, certificate = (
        (facts.signed, facts.signature, facts.certificate) if who == "signer" else (facts.seal.signed, facts.seal.signature, facts.seal.maker)
    )
    public = x509.read(certificate).public
    for right, data in ((True, signed), (False, signed[:-1] + bytes([signed[-1] ^ 1]))):
        for name, body in (("key.der", public.spki), ("data", data), ("sig", signature)):
            (sealed.folder / name).write_bytes(body)
        answer = said_by(
            openssl, "pkeyutl", "-verify", "-rawin", "-digest", "sm3", "-pkeyopt", f"distid:{SIGNER_ID}", "-pubin", "-keyform", "DER", "-inkey",
            sealed.folder / "key.der", "-in", sealed.folder / "data", "-sigfile", sealed.folder / "sig",
        )  # fmt: skip
        assert ("Successfully" in answer) is right, answer
        assert bool(gmssl_pyx.sm2_verify(public.point[-64:], data, signature, SIGNER_ID.encode())) is right


def test_gmssl_agrees_on_every_hash_of_the_document(sealed):
    """dataHash and each CheckValue, by another SM3."""
    files, facts = container.unpack(sealed.ofd), facts_of(sealed)
    description = files["Doc_0/Signs/Sign_0/Signature.xml"]
    assert gmssl_pyx.sm3_hash(description) == facts.data_hash
    root = container.read_xml(description, "")
    listed = root.findall("SignedInfo/References/Reference")
    assert len(listed) == len(files) - 3
    for one in listed:
        content = files[one.get("FileRef", "").lstrip("/")]
        assert gmssl_pyx.sm3_hash(content) == base64.b64decode(one.findtext("CheckValue", ""))


@pytest.mark.parametrize("kind", ["ofd", "pdf"])
def test_openssl_ts_accepts_our_time_stamps(sealed, kind):
    """RFC 3161 over SM3 of the OFD's signature value, over SHA-256 of the PDF's."""
    openssl = judge("openssl")
    if kind == "ofd":
        facts = facts_of(sealed)
        token, data, algorithm = facts.stamp, facts.signature, "-sm3"
    else:
        signer = pdf_reading.read(sealed.pdf).embedded_signatures[0].signer_info
        [token] = [one["values"][0].dump() for one in signer["unsigned_attrs"] if one["type"].native == "signature_time_stamp_token"]
        data, algorithm = signer["signature"].native, "-sha256"
    (sealed.folder / "token").write_bytes(token)
    for right, body in ((True, data), (False, data + b"x")):
        (sealed.folder / "stamped").write_bytes(body)
        answer = said_by(
            openssl, "ts", "-verify", "-token_in", "-in", sealed.folder / "token", "-data", sealed.folder / "stamped", "-CAfile",
            sealed.folder / "root.pem", "-attime", AT,
        )  # fmt: skip
        assert ("Verification: OK" in answer) is right, answer
    shown = said_by(openssl, "ts", "-reply", "-token_in", "-in", sealed.folder / "token", "-token_out", "-text")
    assert f"Hash Algorithm: {algorithm[1:]}" in shown
    assert "Nov 18 02:00:00 2026 GMT" in shown


def test_openssl_cms_accepts_the_signature_on_a_pdf(sealed):
    """The CMS in the file over the bytes it names, without any PDF library."""
    openssl = judge("openssl")
    one = re.search(rb"/ByteRange ?\[ ?(\d+) (\d+) (\d+) (\d+)", sealed.pdf)
    assert one
    first, size, second, rest = (int(number) for number in one.groups())
    (sealed.folder / "content").write_bytes(sealed.pdf[first : first + size] + sealed.pdf[second : second + rest])
    (sealed.folder / "cms.der").write_bytes(bytes.fromhex(sealed.pdf[size + 1 : second - 1].decode()))
    answer = said_by(
        openssl, "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", sealed.folder / "cms.der", "-content", sealed.folder / "content",
        "-CAfile", sealed.folder / "root.pem", "-purpose", "any", "-attime", AT, "-out", sealed.folder / "out",
    )  # fmt: skip
    assert re.search(r"(CMS )?Verification successful", answer), answer


def test_pdfsig_accepts_each_seal_and_finds_a_changed_byte(sealed):
    """poppler, by its words: it ends with 0 also for a bad digest."""
    pdfsig = judge("pdfsig")
    answer = said_by(pdfsig, "-nocert", sealed.folder / "two.pdf")
    assert answer.count("Signature is Valid.") == 2, answer
    assert answer.count("ETSI.CAdES.detached") == 2
    assert answer.count("Not total document signed") == 1
    assert answer.count("Total document signed") == 1
    at = sealed.pdf.index(b"/MediaBox")
    (sealed.folder / "bad.pdf").write_bytes(sealed.pdf[:at] + sealed.pdf[at:].replace(b"595", b"596", 1))
    assert "Digest Mismatch" in said_by(pdfsig, "-nocert", sealed.folder / "bad.pdf")


def test_poppler_reads_the_same_words_as_ofdkit(sealed):
    """One document, two formats, two readers of others."""
    words = ("成都市演示科技有限公司", "营业执照（演示）", "91510100MADEMO")
    text = said_by(judge("pdftotext"), sealed.folder / "a.pdf", "-")
    fonts = said_by(judge("pdffonts"), sealed.folder / "a.pdf")
    other = ofdkit.extract_text(str(sealed.folder / "a.ofd"))
    for one in words:
        assert one in text
        assert one in other
    rows = [row.split() for row in fonts.splitlines()[2:]]
    assert rows
    assert all("yes" in row for row in rows if "Tongban" in row[0]), fonts
    with ofdkit.open(str(sealed.folder / "a.ofd")) as document:
        assert len(list(document.pages)) == 1


def test_easyofd_reads_the_words_and_draws_the_seal(sealed, easyofd):
    """A reader that takes the seal's picture out of the SES signature and draws it where it was put."""
    _, errors = easyofd.communicate(timeout=300)
    assert easyofd.returncode == 0, errors[-2000:]
    found = json.loads(re.search(rb"^FOUND (.*)$", errors, re.MULTILINE)[1])
    assert {"营业执照（演示）", "名称 成都市演示科技有限公司"} <= set(found["texts"])
    assert found["fonts"] == ["font_sans.ttf", "font_serif.ttf"]
    [seal] = found["seals"]
    assert (seal["boundary"], seal["signed"]) == ("140 235 40 40", len(container.unpack(sealed.ofd)["Doc_0/Signs/Sign_0/SignedValue.dat"]))
    pictures = said_by(judge("pdfimages"), "-list", sealed.folder / "easy.pdf")
    assert len(re.findall(r"^ +1 +\d+ image ", pictures, re.MULTILINE)) == 2, pictures  # the document's own and the seal


def test_our_own_verdict_is_the_judges(sealed):
    assert seals.verify_ofd(sealed.ofd, sealed.anchors).ok
    assert all(one.stamped_at == make.AT for one in seals.verify_ofd(sealed.ofd, sealed.anchors).seals)
