"""Certificates: a chain holds for one use, one node and one time, and for nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from tongban.kernel.gm import (
    CertificateRefused,
    Sm2PrivateKey,
    x509,
)

AT = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
KEY = Sm2PrivateKey((7).to_bytes(32, "big"))


def make(use="sign", *, days=398, at=AT, node="510000", key=KEY):
    """(root, leaf) of a new root; the leaf is for `key`."""
    root_key = Sm2PrivateKey.generate()
    root = x509.make_root(root_key, common_name="root", organisation="演示", at=AT)
    leaf = x509.make_leaf(
        x509.read(root), root_key, public=key.public, common_name=node, organisation="演示", use=use, at=at, node=node, days=days
    )  # fmt: skip
    return root, leaf


def test_a_chain_that_holds():
    root, leaf = make()
    found = x509.verify_chain(leaf, [root], AT + timedelta(days=397), use="sign", node="510000")
    assert (found.public, found.node, found.organisation) == (KEY.public, "510000", "演示")
    assert x509.read(root).not_after - x509.read(root).not_before == timedelta(days=3650)


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("x509.validity", {"at": AT + timedelta(days=399)}),
        ("x509.validity", {"at": AT - timedelta(seconds=1)}),
        ("x509.key_usage", {"use": "encrypt"}),
        ("x509.key_usage", {"use": "directory"}),
        ("x509.node", {"node": "500000"}),
    ],
)
def test_a_certificate_for_something_else_is_refused(code, change):
    root, leaf = make()
    wanted = {"at": AT, "use": "sign", "node": "510000", **change}
    with pytest.raises(CertificateRefused) as caught:
        x509.verify_chain(leaf, [root], wanted.pop("at"), **wanted)
    assert caught.value.code == code


def test_a_chain_to_another_root_and_a_changed_byte_are_refused():
    root, leaf = make()
    other, _ = make()
    with pytest.raises(CertificateRefused):
        x509.verify_chain(leaf, [other], AT)
    place = leaf.index(b"510000") + 5
    changed = leaf[:place] + b"1" + leaf[place + 1 :]
    with pytest.raises(CertificateRefused):
        x509.verify_chain(changed, [root], AT)
    with pytest.raises(CertificateRefused):
        x509.read(leaf[:-3])


def test_a_leaf_may_not_issue():
    root, leaf = make()
    with pytest.raises(CertificateRefused):
        x509.make_leaf(x509.read(leaf), KEY, public=KEY.public, common_name="x", organisation="x", use="sign", at=AT)
    forged = x509._issue(KEY, x509._name("x", "x"), x509.x509.Name.load(x509.read(leaf).subject), KEY.public, "sign", "x", AT,
                         30, KEY.public, None)  # fmt: skip
    with pytest.raises(CertificateRefused) as caught:
        x509.verify_chain(forged, [root], AT, intermediates=[leaf])
    assert caught.value.code == "x509.issuer"


def test_an_issuing_ca_below_the_root_works_and_has_no_ca_below():
    root_key, ca_key, deep_key = (Sm2PrivateKey.generate() for _ in range(3))
    root = x509.make_root(root_key, common_name="root", organisation="演示", at=AT)
    ca = x509.make_leaf(
        x509.read(root),
        root_key,
        public=ca_key.public,
        common_name="ca",
        organisation="演示",
        use="ca",
        at=AT,
        days=900,
    )
    leaf = x509.make_leaf(
        x509.read(ca), ca_key, public=KEY.public, common_name="cn", organisation="演示", use="sign", at=AT, node="cn"
    )
    assert x509.verify_chain(leaf, [root], AT, intermediates=[ca]).common_name == "cn"
    deep = x509.make_leaf(
        x509.read(ca), ca_key, public=deep_key.public, common_name="deep", organisation="演示", use="ca", at=AT
    )
    below = x509.make_leaf(
        x509.read(deep), deep_key, public=KEY.public, common_name="cn", organisation="演示", use="sign", at=AT
    )
    with pytest.raises(CertificateRefused) as caught:
        x509.verify_chain(below, [root], AT, intermediates=[ca, deep])
    assert caught.value.code == "x509.path_length"


def test_398_days_are_the_most():
    with pytest.raises(CertificateRefused):
        make(days=399)


def test_a_request_is_believed_only_if_its_own_key_signed_it():
    request = x509.make_csr(KEY, node="510000", organisation="演示")
    read = x509.read_csr(request)
    assert (read.node, read.public) == ("510000", KEY.public)
    place = request.index(b"510000")
    for bad in (
        request[:place] + b"510001" + request[place + 6 :],
        request[:-1],
        b"",
        request[:-1] + bytes([request[-1] ^ 1]),
    ):
        with pytest.raises(CertificateRefused):
            x509.read_csr(bad)
