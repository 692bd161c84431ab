"""Verifying a sealed OFD (验章), in the order of standards.md 3; the first step that fails is named.

    container → format → maker's signature on the seal → maker's certificate → seal validity → signature value →
    signer's certificate in the seal's list and valid at signing → document hash (Signature.xml, then every file) → time stamp

A changed character fails exactly the reference of its file. Pure: trust comes in as Anchors. The time of signing is the
signer's own word; a time stamp, where there is one, must agree with it, and for a lost seal it is asked for (rules/standing).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import posixpath
from datetime import datetime
from xml.etree.ElementTree import Element

from tongban.kernel.gm import CertificateRefused, sm3, x509
from tongban.seals.model import Anchors, Signed, Verdict
from tongban.seals.rules import container, ses, stamp
from tongban.seals.rules.standing import Failed, ended, in_force

_SM3_NAMES = frozenset({"1.2.156.10197.1.401", "SM3"})


async def check_ofd(package: bytes, anchors: Anchors) -> Verdict:
    """As `verify_ofd`, in a thread (验章)."""
    return await asyncio.to_thread(verify_ofd, package, anchors)


def verify_ofd(package: bytes, anchors: Anchors) -> Verdict:
    """Whether every seal on the document holds and covers all of it (验章). Never raises for what is in the file."""
    seals: list[Signed] = []
    try:
        try:
            files = container.unpack(package)
        except container.Refused as why:
            raise Failed("container", why.sentence, why.file) from None
        try:
            roots = container.wholesome(files)
            list_path, listed = _listed(files, roots)
        except container.Refused as why:
            raise Failed("format", why.sentence, why.file) from None
        for at, path in enumerate(listed):
            seals.append(Signed(path))
            seals[-1] = _verify_one(files, roots, list_path, listed, at, anchors, seals)
    except Failed as failed:
        return Verdict(False, failed.step, failed.sentence, failed.file, tuple(seals))
    return Verdict(True, sentence=ended(seals), seals=tuple(seals))


def _file(files: dict[str, bytes], path: str, base: str = "") -> tuple[str, bytes]:
    """A file named in XML, absolute (`/…`) or relative to `base`. Raises Refused."""
    name = posixpath.normpath(path.lstrip("/") if path.startswith("/") else posixpath.join(base, path))
    if name.startswith("..") or name not in files:
        raise container.Refused("提到的文件不在包里", path)
    return name, files[name]


def _text(element: Element, path: str, file: str) -> str:
    found = element.find(path)
    if found is None or not (found.text or "").strip():
        raise container.Refused("缺少必有的内容", file)
    return (found.text or "").strip()


def _root(files: dict[str, bytes], roots: dict[str, Element], path: str) -> Element:
    """The root of a file that is to be XML, whatever its name. Raises Refused."""
    return roots[path] if path in roots else container.read_xml(files[path], path)


def _listed(files: dict[str, bytes], roots: dict[str, Element]) -> tuple[str, list[str]]:
    """The list's path and those of all Signature.xml, in the order of the list. Raises Refused, also when there is none."""
    _file(files, "OFD.xml")
    bodies = _root(files, roots, "OFD.xml").findall("DocBody")
    if len(bodies) != 1:
        raise container.Refused("一个文件里只能有一份文档", "OFD.xml")
    _file(files, _text(bodies[0], "DocRoot", "OFD.xml"))
    if bodies[0].find("Signatures") is None:
        raise container.Refused("这份文件没有盖章", "OFD.xml")
    path, _ = _file(files, _text(bodies[0], "Signatures", "OFD.xml"))
    found = []
    for one in _root(files, roots, path).findall("Signature"):
        if one.get("Type", "Seal") != "Seal":
            raise container.Refused("不是印章签名", path)
        found.append(_file(files, one.get("BaseLoc", ""), posixpath.dirname(path))[0])
    if not found:
        raise container.Refused("这份文件没有盖章", path)
    if len(set(found)) != len(found):
        raise container.Refused("同一枚签名列了两次", path)
    return path, found


def _verify_one(
    files: dict[str, bytes], roots: dict[str, Element], list_path: str, listed: list[str], at: int, anchors: Anchors, seals: list[Signed]
) -> Signed:
    path = listed[at]
    try:
        root = _root(files, roots, path)
        value_path, value = _file(files, _text(root, "SignedValue", path), posixpath.dirname(path))
        facts = ses.read_signature(value, value_path)
        method = _text(root, "SignedInfo/SignatureMethod", path)
    except container.Refused as why:
        raise Failed("format", why.sentence, why.file) from None
    if method != ses.SM2_WITH_SM3:
        raise Failed("format", "签名算法不认识", path)
    seals[-1] = Signed(path, facts.seal.es_id, facts.seal.name, facts.signed_at)
    stamped, why_not = _stamped(facts, anchors)
    _check_seal(facts, anchors, stamped)
    _check_signature(facts, anchors)
    _check_document(files, list_path, listed[at:], root, facts, value_path)
    if why_not:
        raise Failed("time", why_not, value_path)
    gone = anchors.revoked.get(facts.seal.es_id)
    return Signed(path, facts.seal.es_id, facts.seal.name, facts.signed_at, True, stamped, gone)


def _stamped(facts: ses.SignatureFacts, anchors: Anchors) -> tuple[datetime | None, str]:
    """The stamp's moment, or why the stamp does not hold; neither when there is none."""
    if facts.stamp is None:
        return None, ""
    try:
        return stamp.stamped_at(facts.stamp, "sm3", sm3(facts.signature), anchors.pdf_makers), ""
    except stamp.BadStamp as why:
        return None, str(why)


def _check_seal(facts: ses.SignatureFacts, anchors: Anchors, stamped: datetime | None) -> None:
    seal = facts.seal
    try:
        maker = x509.read(seal.maker)
    except CertificateRefused:
        raise Failed("maker_signature", "制章人的证书读不懂") from None
    if not ses.verified(maker.public, seal.signed, seal.signature, seal.algorithm):
        raise Failed("maker_signature", "印章上制章人的签名不对，印章被改过")
    try:
        x509.verify_chain(seal.maker, anchors.roots_for(anchors.makers, seal.es_id), seal.made_at, use="sign")
    except CertificateRefused as why:
        raise Failed(
            "maker", "制章人不在信任的名单里" if why.code == "x509.untrusted" else "制章人的证书不合规"
        ) from None
    if not seal.valid_from <= facts.signed_at <= seal.valid_until:
        raise Failed("seal_validity", "盖章的时候，印章不在有效期里")
    in_force(anchors, seal.es_id, facts.signed_at, stamped)


def _check_signature(facts: ses.SignatureFacts, anchors: Anchors) -> None:
    try:
        signer = x509.read(facts.certificate)
    except CertificateRefused:
        raise Failed("signature", "签章人的证书读不懂") from None
    if not ses.verified(signer.public, facts.signed, facts.signature, facts.algorithm):
        raise Failed("signature", "签名值不对")
    if not facts.seal.lists(facts.certificate):
        raise Failed("signer", "签章人不在这枚印章的名单里")
    try:
        x509.verify_chain(
            facts.certificate, anchors.roots_for(anchors.makers, facts.seal.es_id), facts.signed_at, use="sign"
        )
    except CertificateRefused:
        raise Failed("signer", "盖章的时候，签章人的证书不能用") from None


def _check_document(
    files: dict[str, bytes],
    list_path: str,
    listed: list[str],
    root: Element,
    facts: ses.SignatureFacts,
    value_path: str,
) -> None:
    """`listed` begins with this signature; the ones after it may add their own folders."""
    path = listed[0]
    if facts.data_hash != sm3(files[path]) or facts.path.lstrip("/") != path:
        raise Failed("document", "签名描述被改过", path)
    listing = root.find("SignedInfo/References")
    if listing is None or listing.get("CheckMethod") not in _SM3_NAMES:
        raise Failed("document", "没有受保护的文件清单", path)
    covered: set[str] = set()
    for one in listing.findall("Reference"):
        try:
            name, content = _file(files, one.get("FileRef", ""), posixpath.dirname(path))
            wanted = base64.b64decode(_text(one, "CheckValue", path), validate=True)
        except (container.Refused, binascii.Error, ValueError):
            raise Failed("document", "清单里的文件不见了", one.get("FileRef", "")) from None
        if sm3(content) != wanted:
            raise Failed("document", "盖章以后被改过", name)
        covered.add(name)
    _check_seal_file(files, root, path, facts, covered)
    allowed = {list_path, path, value_path}
    for later in listed[1:]:
        folder = posixpath.dirname(later) + "/"
        allowed |= {name for name in files if name.startswith(folder)}
    left_out = sorted(files.keys() - covered - allowed)
    if left_out:
        raise Failed("document", "有文件没有受印章保护", left_out[0])


def _check_seal_file(
    files: dict[str, bytes], root: Element, path: str, facts: ses.SignatureFacts, covered: set[str]
) -> None:
    """The seal shown beside the signature is the seal that signed."""
    try:
        name, content = _file(files, _text(root, "SignedInfo/Seal/BaseLoc", path), posixpath.dirname(path))
    except container.Refused as why:
        raise Failed("document", why.sentence, why.file) from None
    if content != facts.seal.der or name not in covered:
        raise Failed("document", "展示的印章和签名用的印章不一样", name)
