"""核对归档包: judges an archive package of a case with nothing but Python's standard library. No network, no file written.

    python3 check_archive.py package.zip --root hub-root.der
    python3 check_archive.py package.zip --key FINGERPRINT

Four questions, each with its own list of checks: 真实性 is it what that node packed, and what its log says; 完整性 is all of it
here and nothing else; 可用性 can every file be opened as what it is; 安全性 can it be opened without harm. Receipts are
checked by the script check_receipt.py, which lies on the same page and must lie beside this one: their step counts as failed
without it, since a package nobody can date proves nothing. Nothing else is imported but Python's own. One file of the package
is in memory at a time, so a package may be larger than the memory of this computer.

The four questions are those of archives in general; the checks are our own and claim no conformity with a standard.

Exit code: 0 all four hold; 1 something does not; 2 cannot be read; 3 all holds but you gave no key to compare with.
"""

import argparse
import importlib.util
import io
import json
import re
import sys
import zipfile
import zlib
from pathlib import Path

MOST_FILES, MOST_BYTES, MOST_RATIO, MOST_TEXT = 5000, 1_000_000_000, 200, 64_000_000
OURS = {"manifest.json", "manifest.sig.json"}
NEEDED = ("metadata", "application", "history", "note")
NAME = re.compile(r"(case|materials|documents|receipts)/[A-Za-z0-9._-]{1,100}|manifest\.json|manifest\.sig\.json|说明\.txt")
ENDS = rb"(?![^\x00\t\n\f\r /<>\[\](){}%])"
ACTIVE, SHORT = re.compile(rb"/(?:JavaScript|Launch|EmbeddedFiles?|RichMedia)" + ENDS), re.compile(rb"/JS" + ENDS)
STREAM = re.compile(rb"(?<!end)stream\r?\n")
MOST_UNPACKED = 64_000_000
AT_ONCE, OVERLAP = 1_000_000, 256
SECONDS_APART = 120
TERM = {"10": "10 年", "30": "30 年", "permanent": "永久"}
ABSENT = {"infected": "带病毒，当时已经删掉", "away": "一直没有从原处取到"}


def load_receipts():
    """check_receipt.py from this script's own folder: SM2, SM3 and the receipt's arithmetic are there once."""
    path = Path(__file__).resolve().with_name("check_receipt.py")
    if not path.is_file():
        return None
    spec = importlib.util.spec_from_file_location("check_receipt", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Book:
    """What was found, question by question."""

    def __init__(self):
        self.lines = {"真实性": [], "完整性": [], "可用性": [], "安全性": []}
        self.good = dict.fromkeys(self.lines, 0)

    def must(self, question, holds, what):
        """One check; True when it holds."""
        if holds:
            self.good[question] += 1
        elif len(self.lines[question]) < 20:
            self.lines[question].append(what)
        return bool(holds)

    @property
    def whole(self):
        return not any(self.lines.values())


class Content:
    """The files of the package by their paths; read when they are asked for, one at a time."""

    def __init__(self, box):
        self.box = box
        self.paths = box.namelist()

    def __contains__(self, path):
        return path in self.box.NameToInfo

    def __iter__(self):
        return iter(self.paths)

    def __getitem__(self, path):
        """Piece by piece, since the library would hold it twice."""
        found = bytearray()
        with self.box.open(path) as file:
            while piece := file.read(AT_ONCE):
                found += piece
        return found


def fast_sm3(slow):
    """SM3 of the system's OpenSSL where it has one and agrees with the plain arithmetic; else the plain one."""
    import hashlib

    try:
        if hashlib.new("sm3", b"abc").digest() == slow(b"abc"):
            return lambda data: hashlib.new("sm3", data).digest()
    except ValueError:
        pass
    return lambda data: slow(bytes(data))


def safety_of_the_box(book, box):
    """Names, sizes and kinds of entries, before anything is unpacked."""
    entries = box.infolist()
    names = [one.filename for one in entries]
    book.must("安全性", len(entries) <= MOST_FILES, "文件太多")
    book.must("安全性", len(set(names)) == len(names), "有重名的文件")
    for one in entries:
        book.must("安全性", NAME.fullmatch(one.filename) and ".." not in one.filename, f"文件名不对：{one.filename[:60]!r}")
        book.must("安全性", (one.external_attr >> 28) in (0, 8), f"不是普通文件：{one.filename[:60]!r}")
        book.must("安全性", not one.flag_bits & 1, f"加了密：{one.filename[:60]!r}")
        book.must("安全性", one.file_size <= MOST_TEXT or one.filename.startswith(("materials/", "documents/")), f"文字太长：{one.filename[:60]!r}")
        book.must("安全性", one.file_size <= MOST_RATIO * max(one.compress_size, 512), f"压缩得太狠：{one.filename[:60]!r}")
    book.must("安全性", sum(one.file_size for one in entries) <= MOST_BYTES, "解开以后太大")
    return book.whole


def whole_jpeg(content):
    """Segment by segment to the picture, which ends; cameras write things of their own behind its end."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        kind = content[at + 1]
        if kind == 0xDA:
            return content.rfind(b"\xff\xd9") > at
        at += 1 if kind == 0xFF else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return False


def whole_png(content):
    """Chunk by chunk to the last one."""
    at = 8
    while at + 12 <= len(content):
        if content[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + int.from_bytes(content[at : at + 4], "big")
    return False


def pdf_acts(content):
    """Whether a PDF acts by itself or carries other files, also in packed objects; /JS stands in any large picture by chance."""
    if named_in(content, ACTIVE):
        return True
    room, last = MOST_UNPACKED, 0
    for found in STREAM.finditer(content):
        if found.start() < last:
            continue
        if named_in(content, SHORT, last, found.start()):
            return True
        packed = b"/ObjStm" in content[max(last, found.start() - 600) : found.start()]
        end = content.find(b"endstream", found.end())
        last = len(content) if end < 0 else end
        if packed:
            try:
                objects = zlib.decompressobj().decompress(content[found.end() : last], room)
            except zlib.error:
                continue
            if named_in(objects, ACTIVE) or named_in(objects, SHORT):
                return True
            room -= len(objects)
            if room <= 0:
                return True
    return named_in(content, SHORT, last)


def named_in(content, name, start=0, end=None):
    """Whether a name stands in this part, a little of it at a time; each name lies whole in one of the windows, with what follows it."""
    end = len(content) if end is None else end
    while True:
        window, whole = names_of(content[start : min(start + AT_ONCE, end)]), start + AT_ONCE >= end
        if any(whole or found.end() + 4 <= len(window) for found in name.finditer(window)):
            return True
        if whole:
            return False
        start += AT_ONCE - OVERLAP


def names_of(content):
    """With the signs written out that a name may hide as #xx."""
    return re.sub(rb"#([0-9A-Fa-f]{2})", lambda one: bytes([int(one[1], 16)]), content)


def swells(box):
    """Whether so much would come out of a document that opening it does harm."""
    return sum(one.file_size for one in box.infolist()) > MOST_UNPACKED


def looks_like(content, media_type):
    """Whether the content is what the manifest calls it."""
    if media_type == "image/jpeg":
        return content.startswith(b"\xff\xd8\xff") and whole_jpeg(content)
    if media_type == "image/png":
        return content.startswith(b"\x89PNG\r\n\x1a\n") and whole_png(content)
    if media_type == "application/pdf":
        return content.startswith(b"%PDF-") and b"%%EOF" in content[-2048:]
    if media_type == "application/ofd":
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as inner:
                return "OFD.xml" in inner.namelist() and (swells(inner) or inner.testzip() is None)
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            return False
    if media_type == "application/json":
        try:
            json.loads(content)
            return True
        except ValueError:
            return False
    if media_type == "text/plain":
        try:
            return bool(content.decode("utf-8").strip())
        except UnicodeDecodeError:
            return False
    return False


def check_file(book, path, one, data, sm3, named):
    """One file against its line in the manifest; it is let go before the next is read."""
    book.must("完整性", len(data) == one["bytes"] and named(sm3(data)) == one["digest"], f"文件被改过：{path}")
    book.must("可用性", looks_like(data, one["media_type"]), f"打不开，不是 {one['media_type']}：{path}")
    book.must("安全性", one["scan"] in ("made", "clean", "none"), f"没有通过病毒检查：{path}")
    if one["media_type"] == "application/ofd" and zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as inner:
            book.must("安全性", not swells(inner), f"解开以后太大：{path}")
    if one["media_type"] == "application/pdf":
        book.must("安全性", not pdf_acts(data), f"PDF 里有会自己运行的内容，或者夹带别的文件：{path}")


def check_files(book, manifest, content, sm3, named):
    """Completeness, usability and safety of each file the manifest names."""
    listed = {one["path"]: one for one in manifest["files"]}
    book.must("完整性", len(listed) == len(manifest["files"]), "清单里有重复的文件")
    for path, one in listed.items():
        if not book.must("完整性", path in content, f"缺文件：{path}"):
            continue
        check_file(book, path, one, content[path], sm3, named)
    extra = [path for path in content if path not in listed and path not in OURS and not path.startswith("receipts/")]
    book.must("完整性", not extra, f"多出清单里没有的文件：{'、'.join(extra[:3])}")
    for role in NEEDED:
        book.must("完整性", any(one["role"] == role for one in listed.values()), f"缺这一类：{role}")
    return listed


def check_case(book, manifest, listed, content):
    """What the parts say of each other: case, materials, documents, history."""
    by_role = {one["role"]: content[path] for path, one in listed.items() if one["role"] in ("metadata", "history") and path in content}
    if not all(by_role.get(role) for role in ("metadata", "history")):
        return
    about, history = json.loads(by_role["metadata"]), json.loads(by_role["history"])
    book.must("真实性", about["id"] == manifest["case"]["id"] and about["number"] == manifest["case"]["number"], "办件信息和清单不是同一件")
    absent = manifest.get("absent", [])
    for one in absent:
        book.must("完整性", one["why"] in ABSENT, f"没有说清为什么缺：{one['title']}")
    for code, count in about["materials"].items():
        found = sum(1 for one in [*listed.values(), *absent] if one["role"] == "material" and one["code"] == code)
        book.must("完整性", found == count, f"材料 {code} 应有 {count} 份，包里 {found} 份")
    documents = sum(1 for one in listed.values() if one["role"] == "document")
    known = documents + sum(1 for one in absent if one["role"] == "document")
    book.must("完整性", known == about["documents"], f"文书应有 {about['documents']} 份，包里 {documents} 份")
    told = [(one["n"], one["leaf"], one["act"]) for one in history]
    book.must("完整性", [one[0] for one in told] == list(range(1, about["steps"] + 1)), "经过的步骤有缺号")
    book.must("真实性", told == [(one["n"], one["leaf"], one["act"]) for one in manifest["steps"]], "经过和清单里的步骤不一样")
    book.must("真实性", not about["decided"] or documents > 0, "作了决定却没有决定文书")


def check_receipts(book, judge, manifest, raw, content, key, root):
    """The node's signature over the manifest, and the log's receipts of the manifest and of every step."""
    sig = json.loads(content["manifest.sig.json"])
    spki = judge.unb64(sig["key"])
    book.must("真实性", sig["alg"] == "sm2-sm3" and judge.sm2_holds(spki, raw, sig["value"]), "清单的签名不对")
    book.must("真实性", sig["kid"].partition("/")[0] == manifest["node"], "清单不是这个节点签的")
    compared, witnesses = False, set()
    try:
        if root:
            judge.need(sig["certificate"], "清单的签名没有证书")
            judge.check_certificate(judge.unb64(sig["certificate"]), root, spki, manifest["node"], manifest["made_at"])
            compared = True
    except judge.Wrong as why:
        book.must("真实性", False, f"清单的签名：{why}")
    wanted = {"receipts/manifest.json": ("archive.packed", None, manifest["made_at"])}
    for step in manifest["steps"]:
        if step["leaf"]:
            wanted[f"receipts/step-{step['n']:03d}.json"] = (None, step["leaf"], step["at"])
    for path, (kind, leaf, at) in wanted.items():
        if not book.must("完整性", path in content, f"缺存证回执：{path}"):
            continue
        receipt = json.loads(content[path])
        try:
            _, told = judge.check(receipt, key=key, root=root, fact=raw if kind else None)
            compared = compared or told
            judge.need(receipt["signed_head"]["head"]["log"] == manifest["node"], "是别的节点的存证")
            judge.need(kind is None or receipt["leaf"]["kind"] == kind, "不是归档的存证")
            judge.need(leaf is None or (receipt["leaf"]["id"] == leaf and receipt["leaf"]["kind"].startswith("case.")), "不是这一步的存证")
            judge.need(abs(receipt["leaf"]["at"] - at) <= SECONDS_APART * 1000, "存证的时间和经过对不上")
            book.must("真实性", True, "")
            witnesses |= {one["witness"] for one in (receipt.get("witnessed") or {}).get("signatures", [])}
        except judge.Wrong as why:
            book.must("真实性", False, f"{path}：{why}")
    extra = [path for path in content if path.startswith("receipts/") and path not in wanted]
    book.must("完整性", not extra, "多出清单里没有的回执")
    return compared, witnesses


def check(package, judge, *, key, root):
    """All four questions of the package in that file: (book, manifest or None, key compared, witnesses)."""
    book = Book()
    with zipfile.ZipFile(package) as box:
        if not safety_of_the_box(book, box):
            return book, None, False, set()
        content = Content(box)
        for name in sorted(OURS):
            book.must("完整性", name in content, f"缺文件：{name}")
        if not book.whole:
            return book, None, False, set()
        raw = bytes(content["manifest.json"])
        manifest = json.loads(raw)
        book.must("真实性", (manifest["type"], manifest["v"]) == ("tongban-archive-1", 1), "不是这种归档包")
        sm3 = fast_sm3(judge.sm3)
        judge.sm3 = sm3
        listed = check_files(book, manifest, content, sm3, judge.named)
        check_case(book, manifest, listed, content)
        return book, manifest, *check_receipts(book, judge, manifest, raw, content, key, root)


def main():
    parser = argparse.ArgumentParser(description="核对归档包的真实性、完整性、可用性、安全性（不连网）")
    parser.add_argument("package", type=Path, help="归档包（zip）")
    parser.add_argument("--key", help="签存证的钥匙的指纹，在节点的 /transparency 页")
    parser.add_argument("--root", type=Path, help="根证书文件（DER 或 PEM）")
    options = parser.parse_args()
    judge = load_receipts()
    if judge is None:
        print("旁边没有 check_receipt.py：两个脚本放在同一个文件夹再运行")
        return 2
    try:
        root = options.root.read_bytes() if options.root else None
        book, manifest, compared, witnesses = check(options.package, judge, key=options.key, root=root)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as why:
        print(f"读不懂这个文件：{type(why).__name__}")
        return 2
    if manifest:
        case = manifest["case"]
        print(f"办件  {case['number']} {case['item']}，{case['organisation_name']}，{case['ended_on']} 结束，保管 {TERM.get(case['term'], case['term'])}")
        print(f"内容  {len(manifest['files'])} 个文件，{len(manifest['steps'])} 步经过，联署节点：{'、'.join(sorted(witnesses)) or '没有'}")
        for one in manifest.get("absent", []):
            print(f"没有  {one['title']}：{ABSENT.get(one['why'], one['why'])}（归档时就这样，清单里写明了）")
    for question, wrong in book.lines.items():
        print(f"{question}  {'成立' if not wrong else '不成立'}（{book.good[question]} 项通过{f'，{len(wrong)} 项不通过' if wrong else ''}）")
        for line in wrong:
            print(f"        {line}")
    if not book.whole:
        return 1
    if not compared:
        print("都成立，但是没有核对钥匙：请用 --key 或 --root 再查一次")
        return 3
    print("四项都成立")
    return 0


if __name__ == "__main__":
    sys.exit(main())
