"""SPEC section 6: Noise_NKpsk0_25519_ChaChaPoly_SHA256 (revision 34) and what follows from it."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from vectors.pxp1.primitives import hk, mac, seal, sha256, unseal, x25519, x25519_public
from vectors.pxp1.qr import Qr
from vectors.pxp1.refused import Refused

NAME = b"Noise_NKpsk0_25519_ChaChaPoly_SHA256"
TAG = 16


@dataclass(frozen=True)
class Keys:
    """What the finished handshake leaves to both sides."""

    h: bytes
    ck: bytes
    k1: bytes
    k2: bytes

    @property
    def k_rtt(self) -> bytes:
        return hk(self.ck, b"", b"PXP1 rtt")

    def code(self, r: bytes, device: bytes) -> str:
        digest = hk(self.ck, b"", b"PXP1 check" + self.h + r + device)
        return f"{int.from_bytes(digest[:8], 'big') % 10**6:06}"

    def round_answer(self, challenge: bytes) -> bytes:
        return mac(self.k_rtt, challenge)[:8]


def commitment(r: bytes, device: bytes) -> bytes:
    return sha256(b"PXP1 com" + r + device)


def bound_psk(qr: Qr, eid: bytes) -> bytes:
    return hk(qr.secret, eid, b"PXP1 psk" + qr.qrh)


class Noise:
    """One side's handshake: write or read m1, then the other for m2, then `keys`."""

    def __init__(self, prologue: bytes, psk: bytes, responder_public: bytes) -> None:
        self.ck = self.h = sha256(NAME)  # longer than a hash, so hashed (Noise 5.2)
        self.k = b""
        self.n = 0
        self.e = b""
        self.their_e = b""
        self.psk = psk
        self.responder_public = responder_public
        self._mix_hash(prologue)
        self._mix_hash(responder_public)

    @classmethod
    def of_qr(cls, qr: Qr, eid: bytes) -> Noise:
        return cls(qr.prologue + eid, bound_psk(qr, eid), qr.q_public)

    def copy(self) -> Noise:
        """To read a message that may not open: a refused one must leave no trace."""
        return copy.copy(self)

    def write_m1(self, ephemeral: bytes, payload: bytes) -> bytes:
        self._mix_psk()
        message = self._write_e(ephemeral)
        self._mix_key(x25519(ephemeral, self.responder_public))
        return message + self._seal(payload)

    def read_m1(self, message: bytes, static: bytes) -> bytes:
        self._mix_psk()
        self._read_e(message)
        self._mix_key(x25519(static, self.their_e))
        return self._unseal(message[32:])

    def write_m2(self, ephemeral: bytes, payload: bytes) -> bytes:
        message = self._write_e(ephemeral)
        self._mix_key(x25519(ephemeral, self.their_e))
        return message + self._seal(payload)

    def read_m2(self, message: bytes) -> bytes:
        self._read_e(message)
        self._mix_key(x25519(self.e, self.their_e))
        return self._unseal(message[32:])

    def keys(self) -> Keys:
        temp = mac(self.ck, b"")
        k1 = mac(temp, b"\x01")
        return Keys(self.h, self.ck, k1, mac(temp, k1 + b"\x02"))

    def _mix_hash(self, data: bytes) -> None:
        self.h = sha256(self.h + data)

    def _mix_key(self, material: bytes) -> None:
        temp = mac(self.ck, material)
        self.ck = mac(temp, b"\x01")
        self.k = mac(temp, self.ck + b"\x02")
        self.n = 0

    def _mix_psk(self) -> None:
        temp = mac(self.ck, self.psk)
        self.ck = mac(temp, b"\x01")
        second = mac(temp, self.ck + b"\x02")
        self._mix_hash(second)
        self.k = mac(temp, second + b"\x03")
        self.n = 0

    def _write_e(self, ephemeral: bytes) -> bytes:
        self.e = ephemeral
        public = x25519_public(ephemeral)
        self._mix_e(public)
        return public

    def _read_e(self, message: bytes) -> None:
        if len(message) < 32 + TAG:
            raise Refused("noise")
        self.their_e = message[:32]
        self._mix_e(self.their_e)

    def _mix_e(self, public: bytes) -> None:
        self._mix_hash(public)
        self._mix_key(public)  # a handshake with a psk also mixes every e into the key (9.2)

    def _seal(self, plaintext: bytes) -> bytes:
        sealed = seal(self.k, self.n, plaintext, self.h)
        self._advance(sealed)
        return sealed

    def _unseal(self, sealed: bytes) -> bytes:
        plaintext = unseal(self.k, self.n, sealed, self.h)
        self._advance(sealed)
        return plaintext

    def _advance(self, sealed: bytes) -> None:
        self.n += 1
        self._mix_hash(sealed)
