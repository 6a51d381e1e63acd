"""In every process of the canary test: writes down each secret that it makes or uses.

On PYTHONPATH of that test alone.  A line a secret: what it is, a tab, its bytes in hex.
"""

from __future__ import annotations

import os
from typing import Any

_FILE = os.environ.get("NEARPROOF_CANARIES", "")


def _watch() -> None:
    from nearproof.crypto import primitives

    seen: set[bytes] = set()
    descriptor = os.open(_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(what: str, secret: bytes) -> None:
        if secret not in seen:
            seen.add(secret)
            os.write(descriptor, f"{what}\t{secret.hex()}\n".encode())

    def put_around(name: str, noted: Any, module: Any = primitives) -> None:
        real = getattr(module, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            result = real(*args, **kwargs)
            noted(result, *args, **kwargs)
            return result

        setattr(module, name, watched)

    def hkdf(result: bytes, ikm: bytes, salt: bytes, info: bytes) -> None:
        what = "".join(chr(c) for c in info[:24] if 32 <= c < 127)
        note(f"hkdf {what}", result)
        if info.startswith(b"PXP1 check"):
            code = int.from_bytes(result[:8], "big") % 10**6
            note("check code", f"{code:06}".encode())
        if info.startswith(b"PXP1 psk"):
            note("qr secret", ikm)
        if info == b"PXP1 user":
            note("device secret", ikm[:32])

    put_around("hkdf", hkdf)
    put_around("argon2id", lambda result, password, salt: note("stretched PIN", result))
    put_around("x25519", lambda result, private, public: note("x25519 key", private))
    put_around("x25519", lambda result, private, public: note("shared secret", result))
    put_around("ed25519_sign", lambda result, seed, message: note("seed", seed))
    put_around("ed25519_sign", lambda result, seed, message: note(f"by {seed.hex()}", result))
    for name in ("aead_seal", "aead_open"):
        put_around(name, lambda result, key, *args, **kwargs: note("message key", key))

    from nearproof.crypto import noise  # it takes its primitives from those above

    def chained(result: list[bytes], *args: Any) -> None:
        for key in result:
            note("chaining key", key)

    put_around("_hkdf", chained, noise)


if _FILE:
    _watch()
