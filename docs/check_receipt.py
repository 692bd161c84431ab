"""核对存证回执: checks a receipt of the log with nothing but Python's standard library. No network.

    python3 check_receipt.py receipt.json --key FINGERPRINT [--fact FILE]
    python3 check_receipt.py receipt.json --root hub-root.der [--fact FILE]

A receipt says: this fact was in the log of that node, at that place, when the node signed its tree. Steps, as in
RFC 6962 and RFC 9162: (1) salt and fact open the leaf's commitment; (2) the leaf and the proof lead to the root in the
signed head; (3) the head's SM2 signature holds; (4) the key is the one you trust: its fingerprint (printed on the node's
page /transparency), or a certificate of that node signed by the root you have; (5) where other nodes have signed a head
too: their signatures hold, and the head of step 2 continues the one they signed. With --root their certificates are
checked as well, so that the receipt stands even against the node that gave it. The arithmetic of SM2 (GB/T 32918) and of
SM3 (GB/T 32905) is below in plain Python, so that you can read all of it.

Exit code: 0 all steps hold; 1 something does not; 2 cannot be read; 3 steps 1 to 3 hold but you gave no key to
compare with.
"""

import argparse
import base64
import json
import sys
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

# --- SM3 (GB/T 32905-2016)

WORD = 0xFFFFFFFF


def turn(x, n):
    n %= 32
    return ((x << n) | (x >> (32 - n))) & WORD


def sm3(data):
    v = [0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E]
    data_bits = len(data) * 8
    data += b"\x80" + bytes((55 - len(data)) % 64) + data_bits.to_bytes(8, "big")
    for start in range(0, len(data), 64):
        w = [int.from_bytes(data[start + 4 * i : start + 4 * i + 4], "big") for i in range(16)]
        for i in range(16, 68):
            x = w[i - 16] ^ w[i - 9] ^ turn(w[i - 3], 15)
            w.append(x ^ turn(x, 15) ^ turn(x, 23) ^ turn(w[i - 13], 7) ^ w[i - 6])
        a, b, c, d, e, f, g, h = v
        for i in range(64):
            t = 0x79CC4519 if i < 16 else 0x7A879D8A
            ss1 = turn((turn(a, 12) + e + turn(t, i)) & WORD, 7)
            ff = a ^ b ^ c if i < 16 else (a & b) | (a & c) | (b & c)
            gg = e ^ f ^ g if i < 16 else (e & f) | (~e & g)
            tt1 = (ff + d + (ss1 ^ turn(a, 12)) + (w[i] ^ w[i + 4])) & WORD
            tt2 = (gg + h + ss1 + w[i]) & WORD
            a, b, c, d = tt1, a, turn(b, 9), c
            e, f, g, h = tt2 ^ turn(tt2, 9) ^ turn(tt2, 17), e, turn(f, 19), g
        v = [one ^ two for one, two in zip(v, (a, b, c, d, e, f, g, h), strict=True)]
    return b"".join(x.to_bytes(4, "big") for x in v)


# --- SM2 verification (GB/T 32918.2-2016, curve of part 5)

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")


def plus(p, q):
    if p is None or q is None:
        return p or q
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        slope = (3 * p[0] * p[0] + A) * pow(2 * p[1], -1, P) % P
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P) % P
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def times(k, p):
    found = None
    for bit in f"{k:b}":
        found = plus(found, found)
        if bit == "1":
            found = plus(found, p)
    return found


def b32(x):
    return x.to_bytes(32, "big")


def sm2_verify(spki, data, r, s):
    """Whether (r, s) is the key's signature over data, signer id 1234567812345678."""
    if len(spki) != 91 or not spki.startswith(SPKI) or spki[26] != 4:
        return False
    x, y = int.from_bytes(spki[27:59], "big"), int.from_bytes(spki[59:], "big")
    if x >= P or y >= P or (y * y - x * x * x - A * x - B) % P or not (1 <= r < N and 1 <= s < N):
        return False
    z = sm3(b"\x00\x80" + b"1234567812345678" + b32(A) + b32(B) + b32(G[0]) + b32(G[1]) + b32(x) + b32(y))
    e = int.from_bytes(sm3(z + data), "big")
    t = (r + s) % N
    point = plus(times(s, G), times(t, (x, y))) if t else None
    return point is not None and (e + point[0]) % N == r


# --- the receipt


class Wrong(Exception):
    """A step that does not hold."""


def need(good, what):
    if not good:
        raise Wrong(what)


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def unnamed(text):
    need(text.startswith("sm3:"), "摘要不是 sm3")
    return unb64(text[4:])


def named(value):
    return "sm3:" + base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def jcs(value):
    """RFC 8785 for the objects of a receipt: ASCII names, strings, whole numbers."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def root_of(index, size, leaf, proof):
    """RFC 9162 section 2.1.3.2."""
    need(0 <= index < size, "位置超出树的大小")
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        need(last > 0, "证明太长")
        if place & 1 or place == last:
            found = sm3(b"\x01" + sibling + found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = sm3(b"\x01" + found + sibling)
        place, last = place >> 1, last >> 1
    need(last == 0, "证明太短")
    return found


def consistent(first, second, old_root, new_root, proof):
    """Whether the tree of `second` continues that of `first`: RFC 9162 section 2.1.4.2."""
    if first == second:
        return old_root == new_root and not proof
    if not 0 < first < second:
        return False
    path = ([old_root] if first & (first - 1) == 0 else []) + proof
    if not path:
        return False
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = sm3(b"\x01" + sibling + old), sm3(b"\x01" + sibling + new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = sm3(b"\x01" + new + sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root


def check_head(told, spki):
    """The signed part of a head whose SM2 signature holds under that key."""
    signed, sig = told["head"], told["sig"]
    need((signed["type"], signed["v"], sig["alg"]) == ("tongban-log-head-1", 1, "sm2-sm3"), "树头的格式不对")
    need(sm2_holds(spki, jcs(signed), sig["value"]), "树头的签名不对")
    return signed


def sm2_holds(spki, data, value):
    value = unb64(value)
    return len(value) == 64 and sm2_verify(spki, data, int.from_bytes(value[:32], "big"), int.from_bytes(value[32:], "big"))


def check_witnesses(told, index, head, spki, root):
    """Step 5: the nodes that signed an earlier or the same head too; their names."""
    own = unb64(told["key"]) if told.get("key") else spki
    earlier = check_head(told["signed_head"], own)
    if root and own != spki:  # the node's keys turn: an earlier head is signed by an earlier key
        check_certificate(unb64(told["certificate"]), root, own, head["log"], earlier["at"])
    need(index < earlier["size"] and earlier["log"] == head["log"], "联署的树头里没有这条记录")
    proof = [unnamed(one) for one in told["proof"]]
    need(consistent(earlier["size"], head["size"], unnamed(earlier["root"]), unnamed(head["root"]), proof), "树头接不上别的节点签过的那个：历史被改过")
    names = []
    for one in told["signatures"]:
        key = unb64(one["key"])
        statement = {"type": "tongban-log-witness-1", "v": 1, "witness": one["witness"], "head": earlier}
        need(one["witness"] != head["log"] and sm2_holds(key, jcs(statement), one["value"]), f"节点 {one['witness']} 的联署不对")
        if root:
            check_certificate(unb64(one["certificate"]), root, key, one["witness"], earlier["at"])
        names.append(one["witness"])
    need(len(set(names)) == len(names), "同一个节点联署了两次")
    return names


def check(receipt, *, key, root, fact):
    """Steps 1 to 5; the lines to print, and whether the key was compared."""
    need(receipt["type"] == "tongban-receipt-1", "不是存证回执")
    digest = unnamed(receipt["fact"])
    for content, what in ((receipt.get("statement") and unb64(receipt["statement"]), "回执里的原文"), (fact, "文件")):
        need(content in (None, "") or sm3(content) == digest, f"{what}和存证的内容不一样")
    leaf = receipt["leaf"]
    commitment = sm3(unb64(receipt["salt"]) + digest)
    entry = {"v": 1, "id": leaf["id"], "kind": leaf["kind"], "at": leaf["at"], "commitment": named(commitment)}
    spki = unb64(receipt["key"])
    signed, sig = check_head(receipt["signed_head"], spki), receipt["signed_head"]["sig"]
    proof = [unnamed(one) for one in receipt["proof"]]
    found = root_of(receipt["index"], signed["size"], sm3(b"\x00" + jcs(entry)), proof)
    need(found == unnamed(signed["root"]), "这条记录不在签名的树里：回执或记录被改过")
    fingerprint = sm3(spki).hex()
    lines = [
        f"事项      {leaf['kind']}",
        f"记下时间  {moment(leaf['at'])}",
        f"位置      第 {receipt['index'] + 1} 条，共 {signed['size']} 条",
        f"签名      {sig['kid']}，{moment(signed['at'])}",
        f"钥匙指纹  {fingerprint}",
    ]
    compared = False
    if key:
        plain = "".join(sign for sign in unicodedata.normalize("NFKC", key).lower() if sign in "0123456789abcdef")
        need(plain == fingerprint, f"签名的钥匙不是你给的那一把：要 {sig['kid']} 的指纹，谁签的看谁的网站；或者用 --root 根证书")
        compared = True
    if root:
        need(receipt["certificate"], "回执里没有证书，请改用 --key 核对")
        check_certificate(unb64(receipt["certificate"]), root, spki, signed["log"], signed["at"])
        lines.append(f"证书      由你给的根证书签发，属于节点 {signed['log']}")
        compared = True
    if receipt.get("witnessed"):
        names = check_witnesses(receipt["witnessed"], receipt["index"], signed, spki, root)
        lines.append(f"联署      {'、'.join(names)}" + ("，证书都由你给的根签发" if root else "，给 --root 可以连证书一起核对"))
    else:
        lines.append("联署      还没有别的节点联署，过几分钟再下载一次就有")
    return lines, compared


# --- the certificate: just enough of DER and X.509


def der(data, start=0):
    """(tag, content, start of content, end) of the value at `start`."""
    length, at = data[start + 1], start + 2
    if length & 0x80:
        count = length & 0x7F
        need(1 <= count <= 3, "证书的格式不对")
        length, at = int.from_bytes(data[at : at + count], "big"), at + count
    need(at + length <= len(data), "证书的格式不对")
    return data[start], data[at : at + length], at, at + length


def inside(data):
    """The values inside a constructed one: (tag, content, whole bytes)."""
    found, start = [], 0
    while start < len(data):
        tag, content, _, end = der(data, start)
        found.append((tag, content, data[start:end]))
        start = end
    return found


def read_certificate(data):
    """(signed bytes, signature r, s, issuer, subject, not before, not after, SPKI, extensions by OID bytes)."""
    tbs, algorithm, signature = inside(der(data)[1])
    need(algorithm[1].startswith(bytes.fromhex("06082a811ccf55018375")), "证书不是用 SM2 和 SM3 签的")
    r, s = (int.from_bytes(one[1], "big") for one in inside(der(signature[1][1:])[1]))
    fields = inside(tbs[1])
    times_ = [certificate_time(*one[:2]) for one in inside(fields[4][1])]
    extensions = {}
    for one in inside(inside(fields[-1][1])[0][1]) if fields[-1][0] == 0xA3 else []:
        parts = inside(one[1])
        extensions[parts[0][1]] = parts[-1][1]
    return tbs[2], r, s, fields[3][2], fields[5][2], *times_, fields[6][2], extensions


def certificate_time(tag, content):
    text = content.decode("ascii")
    full = text if tag == 0x18 else ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(full, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def check_certificate(leaf, root, spki, node, at_ms):
    """Step 4: the certificate is of this key and node, valid at signing, and signed by the root."""
    text = root.decode("ascii", "ignore")
    if "-----BEGIN" in text:
        root = base64.b64decode("".join(text.split("-----")[2].split()))
    tbs, r, s, issuer, _, before, after, own_key, extensions = read_certificate(leaf)
    _, _, _, _, subject, root_before, root_after, root_key, root_extensions = read_certificate(root)
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    need(own_key == spki, "证书不是这把钥匙的")
    need(issuer == subject and sm2_verify(root_key, tbs, r, s), "证书不是你给的根证书签发的")
    need(b"\x01\x01\xff" in root_extensions.get(bytes.fromhex("551d13"), b""), "根证书不能签发证书")
    need(before <= at <= after and root_before <= at <= root_after, "签名的时候证书不在有效期里")
    names = extensions.get(bytes.fromhex("551d11"), b"")
    need(f"urn:tongban:node:{node}".encode() in [one[1] for one in inside(der(names)[1])], "证书属于别的节点")


def moment(ms):
    return datetime.fromtimestamp(ms / 1000, timezone(timedelta(hours=8))).strftime("%Y-%m-%d %H:%M:%S（北京时间）")


def main():
    parser = argparse.ArgumentParser(description="核对存证回执（不连网，不用别的程序）")
    parser.add_argument("receipt", type=Path, help="下载的回执文件")
    parser.add_argument("--key", help="签名钥匙的指纹，在对方网站的 /transparency 页")
    parser.add_argument("--root", type=Path, help="根证书文件（DER 或 PEM）")
    parser.add_argument("--fact", type=Path, help="原文文件，和回执一起拿到的")
    options = parser.parse_args()
    try:
        receipt = json.loads(options.receipt.read_bytes())
        root = options.root.read_bytes() if options.root else None
        fact = options.fact.read_bytes() if options.fact else None
        lines, compared = check(receipt, key=options.key, root=root, fact=fact)
    except Wrong as why:
        print(f"不成立：{why}")
        return 1
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as why:
        print(f"读不懂这个文件：{type(why).__name__}")
        return 2
    print("\n".join(lines))
    if not compared:
        print("记录在树里，签名也对，但是没有核对钥匙：请用 --key 或 --root 再查一次")
        return 3
    print("成立：这件事当时就记下了，之后没有改过")
    return 0


if __name__ == "__main__":
    sys.exit(main())
