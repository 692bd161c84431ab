"""docs/check_receipt.py, run as a stranger runs it: another process, no package of ours."""

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tongban import transparency
from tongban.kernel.gm import b64, x509

from .make import leaves

SCRIPT = Path(__file__).resolve().parents[4] / "docs" / "check_receipt.py"
FACT = "一项决定（演示）".encode()


def run(folder, receipt, *arguments):
    file = folder / "receipt.json"
    file.write_bytes(receipt if isinstance(receipt, bytes) else json.dumps(receipt).encode())
    # -I: isolated, so that neither this folder nor any installed path of ours can help
    command = [sys.executable, "-I", "-S", str(SCRIPT), str(file), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=folder)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
async def given(tx, node, tmp_path):
    """(receipt JSON, key fingerprint, root file) of a leaf in a log of 23, signed under a hub root."""
    at = datetime.now(UTC) - timedelta(hours=1)
    root_key, signer = node.keys.signer("root"), node.keys.signer("s1")
    root = x509.make_root(root_key, common_name="根（演示）", organisation="演示", at=at)
    leaf_certificate = x509.make_leaf(
        x509.read(root), root_key, public=signer.public, common_name="500000", organisation="演示", use="sign", at=at, node="500000"
    )  # fmt: skip
    await transparency.certify(tx, kid=signer.kid, certificate=leaf_certificate, anchor=root, since_ms=0)
    await leaves(tx, 11)
    leaf = await transparency.append(tx, "cases.decided", FACT)
    await leaves(tx, 11, start=50)
    await transparency.sign_head(tx, node)
    (tmp_path / "root.der").write_bytes(root)
    (tmp_path / "root.pem").write_text(
        f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(root).decode()}-----END CERTIFICATE-----\n"
    )
    receipt = await transparency.receipt(tx, leaf.id, statement=FACT)
    return receipt.to_bytes(), signer.public.fingerprint.hex(), tmp_path


async def test_a_true_receipt_holds_by_key_and_by_root(given):
    receipt, fingerprint, folder = given
    spaced = " ".join(fingerprint[start : start + 4] for start in range(0, 64, 4)).upper()
    (folder / "fact").write_bytes(FACT)
    for arguments in (["--key", fingerprint], ["--key", spaced], ["--root", folder / "root.der"],
                      ["--root", folder / "root.pem", "--fact", folder / "fact"]):  # fmt: skip
        code, said = run(folder, receipt, *arguments)
        assert code == 0, said
        assert "成立：" in said
        assert "第 12 条，共 23 条" in said


async def test_without_a_key_the_script_does_not_claim_more_than_it_knows(given):
    receipt, _, folder = given
    assert run(folder, receipt)[0] == 3


async def test_another_key_or_root_is_refused(given, node):
    receipt, fingerprint, folder = given
    code, said = run(folder, receipt, "--key", fingerprint[:-1] + ("0" if fingerprint[-1] != "0" else "1"))
    assert code == 1
    assert "500000/s1" in said.splitlines()[-1], "it does not say whose key is asked for"
    assert "--root" in said.splitlines()[-1]
    stranger = x509.make_root(
        node.keys.signer("x"), common_name="根（演示）", organisation="演示", at=datetime.now(UTC) - timedelta(1)
    )
    (folder / "other.der").write_bytes(stranger)
    assert run(folder, receipt, "--root", folder / "other.der")[0] == 1
    (folder / "fact").write_bytes(FACT + b"!")
    assert run(folder, receipt, "--key", fingerprint, "--fact", folder / "fact")[0] == 1


def changed(receipt, path, value):
    copy = json.loads(receipt)
    place = copy
    for name in path[:-1]:
        place = place[name]
    assert place[path[-1]] != value
    place[path[-1]] = value
    return copy


async def test_every_change_of_the_receipt_is_found(given):
    receipt, fingerprint, folder = given
    whole = json.loads(receipt)
    digest = "sm3:" + b64(b"x" * 32)
    for path, value in [
        (("leaf", "kind"), "cases.refused"),
        (("leaf", "at"), whole["leaf"]["at"] + 1),
        (("leaf", "id"), "019aa5c0-7d1e-7c3a-9f10-2b7e5a4c8d01"),
        (("salt",), b64(b"x" * 16)),
        (("fact",), digest),
        (("statement",), b64(b"another decision")),
        (("index",), whole["index"] + 1),
        (("index",), 10**9),
        (("proof",), whole["proof"][:-1]),
        (("proof",), [*whole["proof"], digest]),
        (("proof", 0), digest),
        (("signed_head", "head", "size"), whole["signed_head"]["head"]["size"] + 1),
        (("signed_head", "head", "root"), digest),
        (("signed_head", "head", "at"), 1),
        (("signed_head", "head", "log"), "510000"),
        (("signed_head", "sig", "value"), b64(bytes(64))),
        (("signed_head", "sig", "alg"), "none"),
        (("key",), b64(bytes(91))),
    ]:
        code, said = run(folder, changed(receipt, path, value), "--key", fingerprint)
        assert code == 1, (path, said)
    for wrong in (b"", b"{}", b"[]", b"\xff", json.dumps({**whole, "leaf": None}).encode()):
        assert run(folder, wrong, "--key", fingerprint)[0] == 2


async def test_a_certificate_of_another_node_is_refused(given, node, tx):
    _, _, folder = given
    root_key, signer = node.keys.signer("root"), node.keys.signer("s1")
    root = (folder / "root.der").read_bytes()
    other = x509.make_leaf(
        x509.read(root), root_key, public=signer.public, common_name="510000", organisation="演示", use="sign",
        at=datetime.now(UTC) - timedelta(hours=1), node="510000",
    )  # fmt: skip
    await transparency.certify(tx, kid=signer.kid, certificate=other, anchor=root, since_ms=0)
    leaf = await tx.fetchval("SELECT leaf_id FROM log_entry WHERE index = 3")
    receipt = await transparency.receipt(tx, leaf)
    assert run(folder, receipt.to_bytes(), "--root", folder / "root.der")[0] == 1
    assert run(folder, receipt.to_bytes(), "--key", signer.public.fingerprint.hex())[0] == 0
