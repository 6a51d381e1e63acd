"""What the core refuses, and whose mistake it was.

`LocalError`: this program or its user; `PeerError`: what came over the air or out of a
file.  A refused message changes no state.
"""

from __future__ import annotations

from enum import StrEnum


class PxpError(Exception):
    """Base of every error of the core."""


class LocalError(PxpError):
    """This side asked for something the protocol does not allow here."""


class MalformedCode(LocalError):
    """Not six digits: not a try, ask again."""


class MalformedPin(LocalError):
    """Not six digits: not a try, ask again."""


class PinTooEasy(LocalError):
    """One of the PINs that others would try first: choose another."""


class PeerError(PxpError):
    """The other side's bytes are not acceptable."""


class EncodingError(PeerError):
    """Not deterministic CBOR of the expected shape (RFC 8949 4.2.1)."""


class HeadersRefused(EncodingError):
    """A COSE_Sign1 whose headers are not exactly those that this token must have."""


class KeyRefused(PeerError):
    """A small-order, non-canonical or otherwise unusable public key."""


class SealBroken(PeerError):
    """An AEAD, MAC or signature did not verify."""


class ChallengeVoid(PeerError):
    """A PIN proof over another challenge than the one that is good: ask for another."""


class UnknownVersion(PeerError):
    """A well-formed message of a version this program does not speak."""


class QrReason(StrEnum):
    """Why a QR is not usable."""

    FOREIGN = "foreign"  # not ours at all
    UNKNOWN_VERSION = "unknown_version"
    DAMAGED = "damaged"  # ours, but not decodable
    OTHER_ROLE = "other_role"  # one of ours for another purpose (a join line, an activation code)
    EXPIRED = "expired"


class QrError(PeerError):
    """A QR text that does not hold a usable PXP1 payload."""

    def __init__(self, reason: QrReason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else str(reason))


class RefusalCode(StrEnum):
    """One code per check of the verifier, in the order of the steps (SPEC, section 9)."""

    # 1. size, strict CBOR, exact headers
    SIZE = "size"
    ENCODING = "encoding"
    HEADERS = "headers"
    # 2. grant under the pinned issuer
    GRANT_SIGNATURE = "grant_signature"
    GRANT_CLAIMS = "grant_claims"
    # 3. proof under G.cnf
    OLD_KEY = "old_key"
    PROOF_SIGNATURE = "proof_signature"
    PROOF_CLAIMS = "proof_claims"
    # 4. PoP under cnf, D valid, D is not O
    NEW_KEY = "new_key"
    SAME_KEY = "same_key"
    POP_SIGNATURE = "pop_signature"
    POP_CLAIMS = "pop_claims"
    # 5. bindings
    TXN_MISMATCH = "txn_mismatch"
    SESSION_MISMATCH = "session_mismatch"
    OLD_KID_MISMATCH = "old_kid_mismatch"
    # 6. times
    TIME_ORDER = "time_order"
    # 7. policy
    POLICY = "policy"
    PROFILE = "profile"
    # --at
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    # 8. the backend alone
    LATE = "late"
    REQUEST_KEY = "request_key"
    WRONG_ACCOUNT = "wrong_account"
    OLD_NOT_ACTIVE = "old_not_active"
    CEREMONY_NOT_LIVE = "ceremony_not_live"
    GRANT_NOT_CURRENT = "grant_not_current"
    KEY_REDEEMED = "key_redeemed"
    ALREADY_USED = "already_used"


class VerificationError(PeerError):
    """A bundle that does not prove what it claims: `step` 1-8 of the verifier and its code."""

    def __init__(self, step: int, code: RefusalCode, detail: str = "") -> None:
        self.step = step
        self.code = code
        self.detail = detail
        super().__init__(f"step {step}: {code}" + (f" ({detail})" if detail else ""))
