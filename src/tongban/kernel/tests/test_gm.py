"""Keys, strict encodings, sealed fields: what must be refused is refused."""

import json
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from tongban.kernel import gm
from tongban.kernel.gm import (
    BadEncoding,
    BadKey,
    CannotOpen,
    FieldCipher,
    FileKeyStore,
    Personal,
    Sm2PrivateKey,
    Sm2PublicKey,
    curve,
)
from tongban.kernel.gm import sm2 as sm2_module
from tongban.kernel.gm.encoding import SM2_N
from tongban.kernel.gm.fields import mark_version
from tongban.kernel.gm.gmssl import Gmssl
from tongban.kernel.gm.libcrypto import Libcrypto

AT = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
KEY = Sm2PrivateKey((7).to_bytes(32, "big"))
BACKENDS = [Libcrypto(), Gmssl()]


# --- signatures


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda one: one.name)
def test_a_signature_of_another_form_is_refused(backend):
    key = Sm2PublicKey(KEY.public.point, using=backend)
    good = KEY.sign(b"m")
    assert key.verify(b"m", good)
    der = gm.raw_to_der(good)
    for bad in (b"", good[:-1], good + b"\0", der, good[:32], bytes(64), b"\xff" * 64):
        assert not key.verify(b"m", bad)
    r, s = good[:32], good[32:]
    n = SM2_N.to_bytes(32, "big")
    for bad in (bytes(32) + s, r + bytes(32), n + s, r + n):
        assert not key.verify(b"m", bad)
    assert key.verify_der(b"m", der)
    assert not key.verify_der(b"m", der + b"\0")
    assert not key.verify_der(b"m", good)


def test_no_changed_bit_passes():
    good = KEY.sign(b"m")
    for place in range(0, 512, 3):
        changed = bytearray(good)
        changed[place // 8] ^= 1 << place % 8
        assert not KEY.public.verify(b"m", bytes(changed))


def test_der_is_strict():
    raw = KEY.sign(b"m")
    der = gm.raw_to_der(raw)
    assert gm.der_to_raw(der) == raw
    small = (1).to_bytes(32, "big") + (2).to_bytes(32, "big")
    assert gm.raw_to_der(small) == bytes.fromhex("3006020101020102")
    padded = bytes.fromhex("30070202000102010200")[:9]
    for bad in (
        b"",
        der[:-1],
        der + b"\0",
        b"\x31" + der[1:],
        padded,
        bytes.fromhex("3006020100020102"),
        bytes.fromhex("30060201ff020102"),
    ):
        with pytest.raises(BadEncoding):
            gm.der_to_raw(bad)


def test_keys_off_the_curve_or_out_of_range_are_refused():
    point = KEY.public.point
    for bad in (
        b"",
        point[:-1],
        point[:-1] + bytes([point[-1] ^ 1]),
        b"\x02" + point[1:33],
        bytes(65),
        b"\x04" + b"\xff" * 64,
    ):
        for backend in BACKENDS:
            with pytest.raises(BadKey):
                Sm2PublicKey(bad, using=backend)
        with pytest.raises(BadKey):  # before any library sees it
            curve.read_point(bad)
    for bad in (bytes(32), SM2_N.to_bytes(32, "big"), (SM2_N - 1).to_bytes(32, "big"), b"\x01"):
        with pytest.raises(BadKey):
            Sm2PrivateKey(bad)
    with pytest.raises(BadKey):
        Sm2PublicKey.from_spki(KEY.public.spki[:-1])
    assert Sm2PublicKey.from_spki(KEY.public.spki) == KEY.public == Sm2PublicKey(point[1:])


def test_a_changed_ciphertext_does_not_open():
    sealed = KEY.public.encrypt(b"k" * 16)
    assert KEY.decrypt(sealed) == b"k" * 16
    for bad in (b"", sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1]), b"0" * 60):
        with pytest.raises(CannotOpen):
            KEY.decrypt(bad)
    with pytest.raises(CannotOpen):
        Sm2PrivateKey.generate().decrypt(sealed)
    with pytest.raises(BadEncoding):
        KEY.public.encrypt(b"")


def test_without_libcrypto_the_second_implementation_steps_in(monkeypatch):
    def no_library():
        raise OSError("no libcrypto on this system")

    monkeypatch.setattr(sm2_module, "Libcrypto", no_library)
    sm2_module.backend.cache_clear()
    try:
        assert sm2_module.backend().name == "gmssl-pyx"
        key = Sm2PrivateKey.generate()
        assert key.public.verify(b"m", key.sign(b"m"))
        signed = key.sign(b"m")
    finally:
        monkeypatch.undo()
        sm2_module.backend.cache_clear()
    assert sm2_module.backend().name == "libcrypto"
    assert Sm2PublicKey(key.public.point).verify(b"m", signed)


# --- JSON and base64


def test_json_that_two_programs_could_read_differently_is_refused():
    for bad in (b'{"a":1,"a":2}', b"1.0", b"1e3", b"NaN", b"-0", b"9007199254740992", b'"\\ud800"', b"\xef\xbb\xbf1", b"\xff",
                b"[" * 100 + b"]" * 100, b"[" * 100_000, b"{", b"9" * 5000):  # fmt: skip
        with pytest.raises(BadEncoding):
            gm.parse_json(bad)
    assert gm.parse_json(b'{"a":[1,null,true,"\xe5\x9b\x9b"],"b":-9007199254740991}') == {
        "a": [1, None, True, "四"],
        "b": -(2**53 - 1),
    }
    with pytest.raises(BadEncoding):
        gm.parse_object(b"[]")


def test_jcs_refuses_what_has_no_one_form():
    for bad in (1.0, 2**53, {1: "x"}, {"a": float("nan")}, "\ud800", b"x", {"a": {"b"}}, datetime.now(UTC)):
        with pytest.raises(BadEncoding):
            gm.jcs(bad)


def test_jcs_takes_structs():
    class Thing(msgspec.Struct):
        b: int
        a: tuple[str, ...]

    assert gm.jcs(Thing(1, ("x",))) == b'{"a":["x"],"b":1}'


def test_base64_has_one_form():
    assert gm.unb64(gm.b64(b"\xfb\xff")) == b"\xfb\xff"
    for bad in ("+_8", "-_8=", "A", "-_9", "-_ 8", "-_8\n"):
        with pytest.raises(BadEncoding):
            gm.unb64(bad)
    with pytest.raises(BadEncoding):
        gm.unb64("AAAA", length=2)


# --- the key store


def test_keys_are_made_once_and_readable_by_the_owner_only(tmp_path: Path):
    store = FileKeyStore(tmp_path / "keys", "510000")
    signer, decrypter = store.signer("s1"), store.decrypter("e1")
    assert signer.kid == "510000/s1"
    assert decrypter.decrypt(decrypter.public.encrypt(b"k")) == b"k"
    again = FileKeyStore(tmp_path / "keys", "510000")
    assert again.signer("s1").public == signer.public
    assert again.secret("pepper") == store.secret("pepper") != store.secret("other")
    assert again.has("s1")
    assert not again.has("s2")
    for file in (tmp_path / "keys").rglob("*"):
        assert file.stat().st_mode & 0o777 == (0o700 if file.is_dir() else 0o600)


def test_a_key_has_one_use_and_one_shape_of_name(tmp_path: Path):
    store = FileKeyStore(tmp_path, "cn")
    store.signer("root")
    with pytest.raises(BadKey):
        store.decrypter("root")
    for bad in ("", "S1", "../x", "a/b", "x" * 17):
        with pytest.raises(BadKey):
            store.signer(bad)


def test_a_key_file_open_to_others_is_refused(tmp_path: Path):
    FileKeyStore(tmp_path, "cn").signer("s1")
    (tmp_path / "s1.key").chmod(0o644)
    with pytest.raises(BadKey):
        FileKeyStore(tmp_path, "cn").signer("s1")


def test_processes_that_race_for_a_new_key_get_the_same_one(tmp_path: Path):
    program = (
        "import sys; from pathlib import Path; from tongban.kernel.gm import FileKeyStore\n"
        "store = FileKeyStore(Path(sys.argv[1]), 'cn'); print('ready', flush=True); sys.stdin.readline()\n"
        "print(store.signer('s1').public.point.hex(), store.secret('pepper').hex(), store.data_keys('case')[1].hex())"
    )
    runs = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(4)]  # fmt: skip
    for run in runs:
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        run.stdin.write("\n")
        run.stdin.flush()
    answers = {run.communicate(timeout=30)[0] for run in runs}
    assert len(answers) == 1
    assert len(answers.pop()) > 200
    assert not list(tmp_path.rglob(".*"))


# --- sealed fields


def test_a_sealed_field_opens_only_in_its_place(tmp_path: Path):
    cipher = FieldCipher(FileKeyStore(tmp_path, "510000"))
    blob = cipher.seal("identity", "person.number", "row-1", "11010519491231002X")
    assert len(blob) == 48
    assert cipher.open("identity", "person.number", "row-1", blob).reveal() == "11010519491231002X"
    assert blob != cipher.seal("identity", "person.number", "row-1", Personal("11010519491231002X"))
    for group, column, row, data in (
        ("identity", "person.number", "row-2", blob),
        ("identity", "person.name", "row-1", blob),
        ("identity", "other.number", "row-1", blob),
        ("case", "person.number", "row-1", blob),
        ("identity", "person.number", "row-1", blob[:-1]),
        ("identity", "person.number", "row-1", b"\0\x09" + blob[2:]),
        ("identity", "person.number", "row-1", b""),
        ("nobody", "person.number", "row-1", blob),
    ):
        with pytest.raises(CannotOpen):
            cipher.open(group, column, row, data)


def test_rotation_keeps_old_values_readable_in_every_process(tmp_path: Path):
    one, two = FieldCipher(FileKeyStore(tmp_path, "cn")), FieldCipher(FileKeyStore(tmp_path, "cn"))
    old = one.seal("case", "form.answers", "r", "old")
    assert two.open("case", "form.answers", "r", old).reveal() == "old"
    assert one.rotate("case") == 2
    new = one.seal("case", "form.answers", "r", "new")
    assert FieldCipher.version(new) == 2 == one.current("case")
    assert two.open("case", "form.answers", "r", new).reveal() == "new"
    assert one.open("case", "form.answers", "r", old).reveal() == "old"


def test_a_changed_wrapped_key_is_found(tmp_path: Path):
    FileKeyStore(tmp_path, "cn").data_keys("case")
    file = tmp_path / "data" / "case.1"
    file.rename(tmp_path / "data" / "staff.1")
    with pytest.raises(CannotOpen):
        FileKeyStore(tmp_path, "cn").data_keys("staff")


def test_the_index_finds_equal_values_at_one_node_only(tmp_path: Path):
    here, there = (FieldCipher(FileKeyStore(tmp_path / name, name)) for name in ("a1", "b1"))
    index = here.index("person.number", "11010519491231002X")
    assert len(index) == 16
    assert (
        index
        == here.index("person.number", " 1101051949 1231002x")
        == here.index("person.number", "１１０１０５１９４９１２３１００２Ｘ")
    )
    assert index != here.index("account.number", "11010519491231002X")
    assert index != there.index("person.number", "11010519491231002X")


def test_a_turned_index_key_is_seen_by_every_process_at_once(tmp_path: Path):
    """R-801, T-46: what is searched and written is looked up for each mark; each column has a key of its own from the second on."""
    one, two = (FileKeyStore(tmp_path, "cn") for _ in range(2))
    cipher = FieldCipher(two)
    first, linked = cipher.index("a.b", "演示"), cipher.linked_marks("c.d", "演示")
    with pytest.raises(BadKey):
        one.indexes.use(2, (1,))
    one.indexes.make(2)
    one.indexes.use(1, (1, 2))
    assert [first, 1, 2] == [cipher.index("a.b", "演示"), *(mark_version(mark) for mark in cipher.marks("a.b", "演示"))]
    one.indexes.use(2, (1, 2))
    assert [mark_version(mark) for mark in cipher.marks("a.b", "演示")] == [2, 1]
    assert first == cipher.marks("a.b", "演示")[1] != cipher.index("a.b", "演示")[2:]
    assert cipher.linked_marks("c.d", "演示") == [cipher.led_on("c.d", linked[0]), linked[0]]
    assert len(cipher.index("a.b", "演示")) == 18
    assert two.indexes.key(2, "a.b") != two.indexes.key(2, "c.d")
    one.indexes.use(2, ())
    assert len(cipher.marks("a.b", "演示")) == 1
    with pytest.raises(BadKey):
        one.indexes.narrow(2, ())
    (tmp_path / "index.state").unlink()
    assert [mark_version(mark) for mark in cipher.marks("a.b", "演示")] == [2, 1], "without the file all that is there is searched"


def test_a_personal_value_does_not_show_itself():
    secret = Personal("张三")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>20}", repr({"name": secret}), repr(Exception(secret))]
    assert not any("张" in one for one in shown)
    assert secret.reveal() == "张三"
    for write in (json.dumps, pickle.dumps, msgspec.json.encode, gm.jcs):
        with pytest.raises((TypeError, BadEncoding)) as caught:
            write(secret)
        assert "张" not in str(caught.value)


def test_what_is_opened_piece_by_piece_is_what_is_opened_whole() -> None:
    """Any pieces; a changed byte, another tag, key or associated data is said at the end."""
    key, nonce, plain = bytes(range(16)), bytes(12), bytes(1000)
    body, tag = gm.sm4_gcm_encrypt(key, nonce, plain, b"a")
    for size in (1, 7, 16, 999, 1000):
        work = gm.Sm4GcmOpening(key, nonce, b"a")
        assert b"".join(work.update(body[start : start + size]) for start in range(0, 1000, size)) == plain
        work.close(tag)
    wrong = [(body[:-1] + b"?", tag, b"a"), (body, bytes(16), b"a"), (body, tag, b"b"), (body, tag[:-1], b"a"), (body[:-1], tag, b"a")]
    for changed, other, aad in wrong:
        work = gm.Sm4GcmOpening(key, nonce, aad)
        work.update(changed)
        with pytest.raises(gm.CannotOpen):
            work.close(other)


def test_a_wrong_tag_is_one_whatever_failed_before_in_the_library():
    """The library tells a wrong tag by its list of errors, which another failure of that thread may have left something in."""
    from cryptography.hazmat.bindings.openssl.binding import Binding

    key, nonce, lib = bytes(16), bytes(12), Binding().lib
    body, tag = gm.sm4_gcm_encrypt(key, nonce, b"text", b"a")
    lib.ERR_put_error(lib.ERR_LIB_EVP, 0, 1, b"somewhere else", 1)
    with pytest.raises(gm.CannotOpen):
        gm.sm4_gcm_decrypt(key, nonce, body, tag, b"b")
    opening = gm.Sm4GcmOpening(key, nonce, b"b")
    opening.update(body)
    lib.ERR_put_error(lib.ERR_LIB_EVP, 0, 1, b"somewhere else", 1)
    with pytest.raises(gm.CannotOpen):
        opening.close(tag)
    lib.ERR_clear_error()
