"""Where a node's keys live (密钥库), apart from its database and its backups.

`KeyStore` is what the house asks for; `FileKeyStore` keeps files of mode 0600, sealed by a PKCS#11 device where there is one
(`token.py`); what the device can sign with stays inside it. Nothing here is a certified 商用密码 product.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, Protocol

from tongban.kernel.gm.encoding import b64, unb64
from tongban.kernel.gm.errors import BadKey
from tongban.kernel.gm.hashes import hmac_sm3
from tongban.kernel.gm.index_keys import IndexKeys
from tongban.kernel.gm.outside import HeldOutsideKey, Kind, OutsideSigner, make_private
from tongban.kernel.gm.person_halves import PersonHalves
from tongban.kernel.gm.sm2 import Sm2PrivateKey, Sm2PublicKey
from tongban.kernel.gm.sm4 import KEY_BYTES, NONCE_BYTES, TAG_BYTES, sm4_gcm_decrypt, sm4_gcm_encrypt

Use = Literal["sign", "encrypt"]
_NAME: Final = re.compile(r"[a-z0-9-]{1,16}")
_SEALED: Final = "sealed:"


class Signer(Protocol):
    """A key that signs and never leaves its store (签名者)."""

    @property
    def kid(self) -> str: ...
    @property
    def public(self) -> Sm2PublicKey: ...
    def sign(self, data: bytes) -> bytes:
        """64 bytes r‖s over `data`."""
        ...


class Decrypter(Protocol):
    """A key that opens what was encrypted for the node (解密者)."""

    @property
    def kid(self) -> str: ...
    @property
    def public(self) -> Sm2PublicKey: ...
    def decrypt(self, der: bytes) -> bytes:
        """The plaintext of a DER SM2Cipher. Raises CannotOpen."""
        ...


class Device(Protocol):
    """What a key store asks of a device (密码设备): `token.Pkcs11Token` and the twin of the tests."""

    sm2_mechanism: int

    def seal(self, name: str, plain: bytes) -> bytes: ...
    def open(self, name: str, blob: bytes) -> bytes: ...
    def signer(self, label: str, kind: Kind) -> OutsideSigner: ...
    def sm2_signer(self, kid: str, label: str) -> Signer: ...


class KeyStore(Protocol):
    """The keys of one node (密钥库). Names are `[a-z0-9-]{1,16}`; a key is made when it is first asked for."""

    @property
    def node(self) -> str: ...
    @property
    def halves(self) -> PersonHalves:
        """The halves of the persons' erasure keys (人员密钥半份)."""
        ...

    @property
    def indexes(self) -> IndexKeys:
        """The keys of blind indexes (盲索引密钥)."""
        ...

    def signer(self, name: str) -> Signer: ...
    def decrypter(self, name: str) -> Decrypter: ...
    def outside(self, name: str, kind: Kind) -> OutsideSigner:
        """A P-256 or Ed25519 key for parties outside, inside the device where there is one."""
        ...

    def secret(self, name: str) -> bytes:
        """32 random bytes that stay the same for ever."""
        ...

    def has(self, name: str) -> bool:
        """Whether the key pair or secret exists already."""
        ...

    def data_keys(self, group: str) -> dict[int, bytes]:
        """The SM4 keys of a key group by version; at least one."""
        ...

    def new_data_key(self, group: str, version: int) -> None:
        """Makes the data key of that version unless somebody has."""
        ...


class HeldKey:
    """A named key pair in memory: signer or decrypter, as its file says."""

    __slots__ = ("_private", "kid")

    def __init__(self, kid: str, private: Sm2PrivateKey) -> None:
        self.kid: str = kid
        self._private = private

    @property
    def public(self) -> Sm2PublicKey:
        """The public half."""
        return self._private.public

    def sign(self, data: bytes) -> bytes:
        """64 bytes r‖s over `data`."""
        return self._private.sign(data)

    def decrypt(self, der: bytes) -> bytes:
        """The plaintext of a DER SM2Cipher. Raises CannotOpen."""
        return self._private.decrypt(der)

    def __repr__(self) -> str:
        return f"HeldKey({self.kid})"


class FileKeyStore:
    """Keys as files of mode 0600 in one folder of mode 0700 (文件密钥库).

    Every file is written whole under another name and linked into place, so of several processes that ask for a new key
    at once one wins and all get the same. Files that others may read are refused. With a `device` every file is sealed by it,
    a file in the clear is refused (`seal_files` mends that once), and P-256, Ed25519 and, where it can, SM2 sign inside.
    """

    def __init__(self, folder: Path, node: str, *, device: Device | None = None) -> None:
        """`node`: the node's id, the first half of every key id."""
        self._folder = folder
        self._node = node
        self._device = device
        self._held: dict[str, Signer | HeldKey] = {}
        self._outside: dict[str, OutsideSigner] = {}
        self._secrets: dict[str, bytes] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._halves = PersonHalves(folder / "persons", lambda: hmac_sm3(self.secret("master"), b"wrap person halves")[:KEY_BYTES])
        self._indexes = IndexKeys(folder, self)

    @property
    def node(self) -> str:
        """The node's id."""
        return self._node

    @property
    def halves(self) -> PersonHalves:
        """The halves of the persons' erasure keys (人员密钥半份)."""
        return self._halves

    @property
    def indexes(self) -> IndexKeys:
        """The keys of blind indexes (盲索引密钥)."""
        return self._indexes

    def signer(self, name: str) -> Signer:
        """The signing key `<node>/<name>`, made on first use. Raises BadKey if the name is an encryption key's."""
        return self._pair(name, "sign")

    def decrypter(self, name: str) -> Decrypter:
        """The encryption key `<node>/<name>`, made on first use. Raises BadKey if the name is a signing key's."""
        found = self._pair(name, "encrypt")
        assert isinstance(found, HeldKey)
        return found

    def outside(self, name: str, kind: Kind) -> OutsideSigner:
        """The P-256 or Ed25519 key of that name (对外密钥), made on first use, inside the device where there is one."""
        _check_name(name)
        with self._lock:
            if name not in self._outside:
                self._outside[name] = (
                    self._device.signer(f"{self._node}/{name}", kind)
                    if self._device is not None
                    else HeldOutsideKey(kind, unb64(self._text(self._folder / f"{name}.outside", lambda: b64(make_private(kind)))))
                )
            found = self._outside[name]
        if found.kind != kind:
            raise BadKey("gm.key_use", f"the key {self._node}/{name} is for another use")
        return found

    def secret(self, name: str) -> bytes:
        """32 random bytes under this name, made on first use."""
        _check_name(name)
        if name not in self._secrets:
            path = self._folder / f"{name}.secret"
            self._secrets[name] = unb64(self._text(path, lambda: b64(secrets.token_bytes(32))), length=32)
        return self._secrets[name]

    def has(self, name: str) -> bool:
        """Whether the key pair or the secret exists already."""
        _check_name(name)
        return any((self._folder / f"{name}.{kind}").exists() for kind in ("key", "secret"))

    def forget(self, name: str) -> None:
        """Overwrite and remove a secret that nothing needs any more (销毁); what a disk keeps of it is for the operator."""
        _check_name(name)
        path = self._folder / f"{name}.secret"
        self._secrets.pop(name, None)
        with contextlib.suppress(FileNotFoundError):
            with path.open("r+b") as file:
                file.write(bytes(path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            _sync(self._folder)

    def kept_text(self, name: str, make: Callable[[], str] | None) -> str:
        """A text kept like a key file, sealed by the device where there is one; FileNotFoundError when there is none to make."""
        path = self._folder / name
        if make is None:
            if not path.exists():
                raise FileNotFoundError(name)
            return self._text(path, str)
        return self._text(path, make)

    def data_keys(self, group: str) -> dict[int, bytes]:
        """The data keys of a key group by version (数据密钥), unwrapped; version 1 is made on first use."""
        _check_name(group)
        found = self._wrapped(group)
        if not found:
            self.new_data_key(group, 1)
            found = self._wrapped(group)
        return {version: self._unwrap(group, version, path) for version, path in found.items()}

    def new_data_key(self, group: str, version: int) -> None:
        """Makes the data key of that version unless another process has."""
        _check_name(group)
        if not 1 <= version <= 0xFFFF:
            raise BadKey("gm.data_key", "a data key's version is 1 to 65535")
        folder = self._folder / "data"
        folder.mkdir(exist_ok=True, mode=0o700)
        _read_or_make(folder / f"{group}.{version}", lambda: self._wrap(group, version, secrets.token_bytes(KEY_BYTES)))

    def seal_files(self) -> int:
        """Seal by the device what still lies in the clear (封存密钥文件), once, when a node gets a device; how many files."""
        if self._device is None:
            raise BadKey("gm.device", "there is no device to seal with")
        count = 0
        for path in sorted(one for kind in ("key", "secret", "outside", "link") for one in self._folder.glob(f"*.{kind}")):
            text = _read(path)
            if not text.startswith(_SEALED):
                draft = path.with_name(f".{path.name}.sealed")
                draft.unlink(missing_ok=True)
                _read_or_make(draft, lambda path=path, text=text: self._sealed(path, text))  # type: ignore[misc]
                draft.replace(path)
                _sync(path.parent)
                count += 1
        return count

    def _text(self, path: Path, make: Callable[[], str]) -> str:
        """The text of a key file, opened by the device if there is one; made first if there is no such file."""
        device = self._device
        if device is None:
            text = _read_or_make(path, make)
            if text.startswith(_SEALED):
                raise BadKey("gm.device", f"{path.name} is sealed by a device: give the node its pkcs11 settings")
            return text
        text = _read_or_make(path, lambda: self._sealed(path, make()))
        if not text.startswith(_SEALED):
            raise BadKey("gm.key_in_the_clear", f"{path.name} is not sealed by the device: run tongban keys seal")
        return device.open(path.name, unb64(text.removeprefix(_SEALED))).decode("ascii")

    def _sealed(self, path: Path, text: str) -> str:
        assert self._device is not None
        return _SEALED + b64(self._device.seal(path.name, text.encode("ascii")))

    def _pair(self, name: str, use: Use) -> Signer | HeldKey:
        _check_name(name)
        with self._lock:
            held = self._held.get(f"{use} {name}")
            if held is None:
                held = self._held[f"{use} {name}"] = self._load(name, use)
            return held

    def _load(self, name: str, use: Use) -> Signer | HeldKey:
        if use == "sign" and self._device is not None and self._device.sm2_mechanism:
            return self._device.sm2_signer(f"{self._node}/{name}", f"{self._node}/{name}")

        def make() -> str:
            return json.dumps({"use": use, "d": b64(Sm2PrivateKey.generate().to_bytes())})

        stored = json.loads(self._text(self._folder / f"{name}.key", make))
        if stored["use"] != use:
            raise BadKey("gm.key_use", f"the key {self._node}/{name} is for another use")
        return HeldKey(f"{self._node}/{name}", Sm2PrivateKey(unb64(stored["d"], length=32)))

    def _wrapped(self, group: str) -> dict[int, Path]:
        folder = self._folder / "data"
        return {int(path.suffix[1:]): path for path in folder.glob(f"{group}.*") if path.suffix[1:].isdigit()}

    def _wrap(self, group: str, version: int, key: bytes) -> str:
        nonce = secrets.token_bytes(NONCE_BYTES)
        body, tag = sm4_gcm_encrypt(self._wrapping_key(), nonce, key, f"{group}:{version}".encode())
        return b64(nonce + body + tag)

    def _unwrap(self, group: str, version: int, path: Path) -> bytes:
        blob = unb64(_read(path), length=NONCE_BYTES + KEY_BYTES + TAG_BYTES)
        nonce, body, tag = blob[:NONCE_BYTES], blob[NONCE_BYTES:-TAG_BYTES], blob[-TAG_BYTES:]
        return sm4_gcm_decrypt(self._wrapping_key(), nonce, body, tag, f"{group}:{version}".encode())

    def _wrapping_key(self) -> bytes:
        return hmac_sm3(self.secret("master"), b"wrap data keys")[:KEY_BYTES]

    def __repr__(self) -> str:
        return f"FileKeyStore({self._node})"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadKey("gm.key_name", "a key name is 1 to 16 of a-z, 0-9 and -")


def _read(path: Path) -> str:
    with path.open("r", encoding="ascii") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise BadKey("gm.key_open_to_others", f"{path.name} can be read by others: chmod 600")
        return file.read().strip()


def _read_or_make(path: Path, make: Callable[[], str]) -> str:
    """The text of the file; if there is none, `make()` is written first. One writer wins, every caller reads it."""
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(make() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # the name is taken: the other one's key counts
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync(path.parent)
    return _read(path)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
