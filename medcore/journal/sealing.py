"""Authenticated encryption of small and large pieces: AES-256-GCM with a random nonce, and key derivation (HKDF)."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from medcore.errors import KeysError

__all__ = ["KEY_BYTES", "derive_key", "open_sealed", "seal"]

KEY_BYTES = 32
_NONCE_BYTES = 12


def seal(key: bytes, plain: bytes, purpose: str) -> bytes:
    """Return nonce and ciphertext; ``purpose`` (which record, which column) is bound to them.

    A key seals far fewer than 2^32 pieces, the limit for random nonces (NIST SP 800-38D, 8.3).
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, purpose.encode())


def open_sealed(key: bytes, sealed: bytes, purpose: str) -> bytes:
    """Return what was sealed with this key for this purpose.

    Raises
    ------
    KeysError
        Another key, another purpose, or changed bytes: the three cannot be told apart.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
    except (InvalidTag, ValueError) as error:
        raise KeysError(f"What is stored as {purpose.split(':')[0]} was changed, or belongs to another key.") from error


def derive_key(key: bytes, purpose: str) -> bytes:
    """Return a key for one purpose (HKDF-SHA256 of RFC 5869, one block, no salt: the input is uniform)."""
    extracted = hmac.new(bytes(KEY_BYTES), key, hashlib.sha256).digest()
    return hmac.new(extracted, f"medcore {purpose}".encode() + b"\x01", hashlib.sha256).digest()
