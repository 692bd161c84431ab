"""What can go wrong with keys, signatures and certificates (国密错误). No message ever holds a key or a plaintext."""

from __future__ import annotations


class GmError(ValueError):
    """A cryptographic input that is refused (密码输入被拒绝); `code` is stable, the text is for an operator."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class BadKey(GmError):
    """A key that is none: wrong length, out of range, a point off the curve (密钥无效)."""


class BadEncoding(GmError):
    """Bytes or text not in the one form allowed (编码不合规): base64url, raw signature, DER, I-JSON."""


class CannotOpen(GmError):
    """A ciphertext that does not open under this key and these associated data (无法解密)."""


class CertificateRefused(GmError):
    """A certificate or request that must not be trusted (证书被拒绝); `code` names the first check that failed."""
