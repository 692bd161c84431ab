"""国密 cryptography: SM2, SM3, SM4, canonical JSON, keys at rest, certificates. Requirements R-801, R-802.

Every room signs, hashes and seals through these names and no others, so that the form of a signature (64 bytes r‖s), the
signer id (1234567812345678) and the place of keys (a `KeyStore`) are decided once.

>>> key = Sm2PrivateKey.generate()
>>> letter = jcs({"kind": "case.state", "seq": 1})
>>> key.public.verify(letter, key.sign(letter)), digest(letter)[:4]
(True, 'sm3:')
"""

from tongban.kernel.gm import crl, x509
from tongban.kernel.gm.canonical import jcs, parse_json, parse_object
from tongban.kernel.gm.encoding import b64, der_to_raw, raw_to_der, unb64
from tongban.kernel.gm.errors import BadEncoding, BadKey, CannotOpen, CertificateRefused, GmError
from tongban.kernel.gm.fields import GROUPS, FieldCipher, Personal
from tongban.kernel.gm.hashes import Digesting, digest, hmac_sm3, sm3
from tongban.kernel.gm.keystore import Decrypter, FileKeyStore, KeyStore, Signer
from tongban.kernel.gm.libcrypto import SIGNER_ID
from tongban.kernel.gm.outside import OutsideSigner
from tongban.kernel.gm.sm2 import Sm2PrivateKey, Sm2PublicKey
from tongban.kernel.gm.sm4 import Sm4GcmOpening, sm4_gcm_decrypt, sm4_gcm_encrypt

__all__ = [
    "GROUPS",
    "SIGNER_ID",
    "BadEncoding",
    "BadKey",
    "CannotOpen",
    "CertificateRefused",
    "Decrypter",
    "Digesting",
    "FieldCipher",
    "FileKeyStore",
    "GmError",
    "KeyStore",
    "OutsideSigner",
    "Personal",
    "Signer",
    "Sm2PrivateKey",
    "Sm2PublicKey",
    "Sm4GcmOpening",
    "b64",
    "crl",
    "der_to_raw",
    "digest",
    "hmac_sm3",
    "jcs",
    "parse_json",
    "parse_object",
    "raw_to_der",
    "sm3",
    "sm4_gcm_decrypt",
    "sm4_gcm_encrypt",
    "unb64",
    "x509",
]
