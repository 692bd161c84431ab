"""A PKCS#11 device behind the key store (密码设备): what can sign inside it does, the rest it seals (stack.md 11).

P-256 and Ed25519 keys are made in the device and never leave it. SM2 keys, secrets and data keys are sealed by an AES-256-GCM
key that cannot leave it, and are opened into memory at start: SoftHSM and most devices have no SM2. A device with an SM2
mechanism of its own signs with it when `sm2_mechanism` gives that number. Nothing here is a certified 商用密码 product.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from pathlib import Path
from typing import Any, Final

from tongban.kernel.gm.errors import BadKey, CannotOpen
from tongban.kernel.gm.outside import Kind
from tongban.kernel.gm.sm2 import Sm2PublicKey

NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
_SEAL: Final = "tongban-seal"
_ED25519: Final = b"\x13\x0cedwards25519"
_ED25519_SPKI: Final = bytes.fromhex("302a300506032b6570032100")


class TokenSigner:
    """A P-256 or Ed25519 key inside the device: its value cannot be read, only signatures come out."""

    __slots__ = ("_key", "_token", "kind", "public")

    def __init__(self, token: Pkcs11Token, kind: Kind, key: Any, public: bytes) -> None:
        self.kind: Kind = kind
        self.public = public
        self._key = key
        self._token = token

    def sign(self, data: bytes) -> bytes:
        """64 bytes over `data`."""
        return self._token.sign_with(self._key, self.kind, data)

    def __repr__(self) -> str:
        return f"TokenSigner({self.kind})"


class TokenSm2Signer:
    """An SM2 key inside a device that has an SM2 mechanism of its own; `mechanism` is the vendor's number."""

    __slots__ = ("_key", "_lock", "_mechanism", "kid", "public")

    def __init__(self, kid: str, key: Any, public: Sm2PublicKey, mechanism: int, lock: threading.Lock) -> None:
        self.kid: str = kid
        self.public = public
        self._key = key
        self._mechanism = mechanism
        self._lock = lock

    def sign(self, data: bytes) -> bytes:
        """64 bytes r‖s over `data`: the digest with Z is made here, the device signs it. Raises BadKey for another length."""
        with self._lock:
            made = bytes(self._key.sign(self.public.message_digest(data), mechanism=self._mechanism))
        if len(made) != 64:
            raise BadKey("gm.device_signature", "the device did not give 64 bytes")
        return made


class Pkcs11Token:
    """One login to one token (一个设备登录). One operation at a time: a session is not for two threads."""

    def __init__(self, module: Path, label: str, pin: str, *, sm2_mechanism: int = 0) -> None:
        """Raises BadKey when the module, the token or the PIN is not right; the message never holds the PIN."""
        try:
            import pkcs11
        except ImportError:
            raise BadKey("gm.device_library", "python-pkcs11 is not installed") from None
        self._p: Any = pkcs11
        self.sm2_mechanism = sm2_mechanism
        self._lock = threading.Lock()
        try:
            found = pkcs11.lib(str(module)).get_token(token_label=label)
            self._session: Any = found.open(user_pin=pin, rw=True)
        except (pkcs11.PKCS11Error, RuntimeError, OSError) as why:
            raise BadKey("gm.device", f"the device {label} of {module.name} does not open: {type(why).__name__}") from None
        self._seal = self._sealing_key()

    def close(self) -> None:
        """Log out."""
        with self._lock:
            self._session.close()

    # ---- sealing: what cannot sign inside ------------------------------------------------------------------------

    def _sealing_key(self) -> Any:
        p = self._p
        found = self._find(_SEAL, p.ObjectClass.SECRET_KEY)
        if found is None:
            found = self._session.generate_key(
                p.KeyType.AES, 256, label=_SEAL, id=_SEAL.encode(), store=True,
                template={p.Attribute.SENSITIVE: True, p.Attribute.EXTRACTABLE: False},
            )  # fmt: skip
        if found[p.Attribute.EXTRACTABLE]:
            raise BadKey("gm.device_key", "the sealing key could leave the device: make the token anew")
        return found

    def seal(self, name: str, plain: bytes) -> bytes:
        """`plain` sealed for the file of that name: nonce ‖ ciphertext ‖ tag."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        with self._lock:
            made = self._seal.encrypt(plain, mechanism=self._p.Mechanism.AES_GCM, mechanism_param=self._gcm(nonce, name))
        return nonce + bytes(made)

    def open(self, name: str, blob: bytes) -> bytes:
        """What `seal` sealed under that name. Raises CannotOpen for a changed or moved file."""
        if len(blob) < NONCE_BYTES + TAG_BYTES:
            raise CannotOpen("gm.device_sealed", "not a sealed key file")
        try:
            with self._lock:
                return bytes(
                    self._seal.decrypt(
                        blob[NONCE_BYTES:], mechanism=self._p.Mechanism.AES_GCM,
                        mechanism_param=self._gcm(blob[:NONCE_BYTES], name),
                    )
                )  # fmt: skip
        except self._p.PKCS11Error:
            raise CannotOpen("gm.device_sealed", f"{name} was not sealed by this device under that name") from None

    def _gcm(self, nonce: bytes, name: str) -> Any:
        return self._p.GCMParams(nonce, aad=name.encode("ascii"), tag_bits=TAG_BYTES * 8)

    # ---- keys that sign inside -----------------------------------------------------------------------------------

    def signer(self, label: str, kind: Kind) -> TokenSigner:
        """The key of that label, made inside the device on first use; never extractable. Raises BadKey for another kind."""
        p = self._p
        with self._lock:
            private = self._find(label, p.ObjectClass.PRIVATE_KEY)
            if private is None:
                self._make(label, kind)
                private = self._find(label, p.ObjectClass.PRIVATE_KEY)
            public = self._find(label, p.ObjectClass.PUBLIC_KEY)
            wanted = p.KeyType.EC if kind == "ES256" else p.KeyType.EC_EDWARDS
            if private is None or public is None or private.key_type != wanted:
                raise BadKey("gm.key_use", f"the key {label} of the device is not for {kind}")
            if private[p.Attribute.EXTRACTABLE]:
                raise BadKey("gm.device_key", f"the key {label} could leave the device")
            return TokenSigner(self, kind, private, self._spki(public, kind))

    def sign_with(self, key: Any, kind: Kind, data: bytes) -> bytes:
        """A signature made inside: ECDSA over the SHA-256 of `data`, or Ed25519 over `data`."""
        with self._lock:
            if kind == "ES256":
                made = key.sign(hashlib.sha256(data).digest(), mechanism=self._p.Mechanism.ECDSA)
            else:
                made = key.sign(data, mechanism=self._p.Mechanism.EDDSA)
        return bytes(made)

    def sm2_signer(self, kid: str, label: str) -> TokenSm2Signer:
        """The SM2 key of that label in a device that signs SM2 itself. Raises BadKey when there is none."""
        p = self._p
        with self._lock:
            private, public = self._find(label, p.ObjectClass.PRIVATE_KEY), self._find(label, p.ObjectClass.PUBLIC_KEY)
        if not self.sm2_mechanism or private is None or public is None:
            raise BadKey("gm.device_key", f"the device holds no SM2 key {label}")
        point = bytes(public[p.Attribute.EC_POINT])[-65:]
        return TokenSm2Signer(kid, private, Sm2PublicKey(point), self.sm2_mechanism, self._lock)

    def _make(self, label: str, kind: Kind) -> None:
        from pkcs11.util.ec import encode_named_curve_parameters

        p = self._p
        template = {p.Attribute.SENSITIVE: True, p.Attribute.EXTRACTABLE: False}
        curve, key_type, mechanism = (
            (encode_named_curve_parameters("secp256r1"), p.KeyType.EC, p.Mechanism.EC_KEY_PAIR_GEN)
            if kind == "ES256"
            else (_ED25519, p.KeyType.EC_EDWARDS, p.Mechanism.EC_EDWARDS_KEY_PAIR_GEN)
        )
        parameters = self._session.create_domain_parameters(key_type, {p.Attribute.EC_PARAMS: curve}, local=True)
        parameters.generate_keypair(
            mechanism=mechanism, store=True, label=label, id=label.encode("ascii"), private_template=template
        )

    def _find(self, label: str, object_class: Any) -> Any:
        p = self._p
        found = self._session.get_objects({p.Attribute.LABEL: label, p.Attribute.CLASS: object_class})
        return next(iter(list(found)), None)

    def _spki(self, public: Any, kind: Kind) -> bytes:
        if kind == "Ed25519":
            return _ED25519_SPKI + bytes(public[self._p.Attribute.EC_POINT])[-32:]
        from pkcs11.util.ec import encode_ec_public_key

        return bytes(encode_ec_public_key(public))

    def __repr__(self) -> str:
        return "Pkcs11Token()"
