"""Sealing an OFD package (签章): the chain of GB/T 33190 and GB/T 38540 as crypto.md 4 sets it out. Pure.

Every file is referenced but Signatures.xml, this Signature.xml and its SignedValue.dat, so that further seals may
follow; Signature.xml is never written a second time after its hash is taken.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import Final
from xml.etree.ElementTree import Element

from tongban.kernel.clock import CHINA
from tongban.kernel.gm import Signer, sm3
from tongban.seals.errors import NotOurs
from tongban.seals.model import Placement
from tongban.seals.rules import container, ses
from tongban.seals.rules.packing import zip_of
from tongban.seals.rules.stamp import Clock
from tongban.seals.rules.writer import NAMESPACE

SM3_OID: Final = "1.2.156.10197.1.401"
SIGNATURES: Final = "Doc_0/Signs/Signatures.xml"
DOCUMENT: Final = "Doc_0/Document.xml"
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


def page_count(files: dict[str, bytes]) -> int:
    """How many pages the package has (页数)."""
    return len(container.read_xml(files[DOCUMENT], DOCUMENT).findall("Pages/Page"))


def sign_package(
    package: bytes, *, seal: bytes, certificate: bytes, key: Signer, at: datetime, placement: Placement, clock: Clock | None = None
) -> bytes:
    """The package with one more seal on it (盖章). Raises NotOurs when it is not a package of this writer."""
    try:
        files = container.unpack(package)
        roots = container.wholesome(files)
        container.one_document(roots, DOCUMENT)
        page_id = _page_id(roots[DOCUMENT], placement.page)
        number = len(roots[SIGNATURES].findall("Signature")) if SIGNATURES in roots else 0
    except (container.Refused, KeyError) as why:
        raise NotOurs(str(why)) from why
    folder = f"Doc_0/Signs/Sign_{number}"
    if SIGNATURES not in files:
        files["OFD.xml"] = _announce(files["OFD.xml"])
    files[f"{folder}/Seal.esl"] = seal
    covered = {path: content for path, content in files.items() if path != SIGNATURES}
    body = _signature_xml(covered, folder, page_id, at, placement)
    signed = ses.sign(
        seal, certificate=certificate, key=key, at=at, data_hash=sm3(body), path=f"/{folder}/Signature.xml", clock=clock
    )
    files[f"{folder}/Signature.xml"] = body
    files[f"{folder}/SignedValue.dat"] = signed
    files[SIGNATURES] = _list_xml(number)
    return zip_of(files)


def _page_id(root: Element, at: int) -> str:
    pages = root.findall("Pages/Page")
    if not 0 <= at < len(pages):
        raise NotOurs("no such page")
    return pages[at].get("ID", "")


def _announce(entry: bytes) -> bytes:
    text = entry.decode()
    if "<ofd:Signatures>" in text or text.count("</ofd:DocBody>") != 1:
        raise NotOurs("OFD.xml is not ours")
    return text.replace("</ofd:DocBody>", f"<ofd:Signatures>{SIGNATURES}</ofd:Signatures></ofd:DocBody>").encode()


def _signature_xml(files: dict[str, bytes], folder: str, page_id: str, at: datetime, placement: Placement) -> bytes:
    references = "".join(
        f'<ofd:Reference FileRef="/{path}"><ofd:CheckValue>{base64.b64encode(sm3(content)).decode()}</ofd:CheckValue></ofd:Reference>'
        for path, content in files.items()
    )
    time = at.astimezone(CHINA).strftime("%Y-%m-%dT%H:%M:%S+08:00")
    where = " ".join(
        f"{value:.3f}".rstrip("0").rstrip(".") for value in (placement.x, placement.y, placement.w, placement.h)
    )
    return (
        f'{_HEAD}<ofd:Signature xmlns:ofd="{NAMESPACE}"><ofd:SignedInfo>'
        '<ofd:Provider ProviderName="tongban" Version="1" Company="tongban"/>'
        f"<ofd:SignatureMethod>{ses.SM2_WITH_SM3}</ofd:SignatureMethod><ofd:SignatureDateTime>{time}</ofd:SignatureDateTime>"
        f'<ofd:References CheckMethod="{SM3_OID}">{references}</ofd:References>'
        f'<ofd:StampAnnot ID="1" PageRef="{page_id}" Boundary="{where}"/>'
        f"<ofd:Seal><ofd:BaseLoc>/{folder}/Seal.esl</ofd:BaseLoc></ofd:Seal></ofd:SignedInfo>"
        f"<ofd:SignedValue>/{folder}/SignedValue.dat</ofd:SignedValue></ofd:Signature>"
    ).encode()


def _list_xml(last: int) -> bytes:
    listed = "".join(
        f'<ofd:Signature ID="{number}" Type="Seal" BaseLoc="/Doc_0/Signs/Sign_{number}/Signature.xml"/>'
        for number in range(last + 1)
    )
    return f'{_HEAD}<ofd:Signatures xmlns:ofd="{NAMESPACE}"><ofd:MaxSignId>{last}</ofd:MaxSignId>{listed}</ofd:Signatures>'.encode()


def stamps_of(files: dict[str, bytes]) -> list[tuple[str, tuple[float, float, float, float], bytes]]:
    """Where seals stand, for drawing: (page id, boundary in mm, seal DER); unreadable ones are left out (印章位置)."""
    found = []
    for path in sorted(one for one in files if re.fullmatch(r"Doc_0/Signs/Sign_\d+/Signature\.xml", one)):
        root = container.read_xml(files[path], path)
        stamp = root.find("SignedInfo/StampAnnot")
        seal = files.get(path.replace("Signature.xml", "Seal.esl"))
        if stamp is None or seal is None:
            continue
        numbers = [float(one) for one in stamp.get("Boundary", "").split()]
        if len(numbers) == 4:
            found.append((stamp.get("PageRef", ""), (numbers[0], numbers[1], numbers[2], numbers[3]), seal))
    return found
