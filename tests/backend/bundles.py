"""Bundles made directly from the keys of both laptops, without a radio between them."""

from __future__ import annotations

from hashlib import sha256

from nearproof.crypto.grant import Grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.proof import Bundle, Proof, Rtt, Transcript, make_pop, make_proof


def bundle_of(grant: Grant, old: DeviceKey, new: DeviceKey) -> bytes:
    """The bundle of a session between these two under this grant."""
    transcript = Transcript(
        h=sha256(b"h" + grant.cti + new.public).digest(),
        txn=grant.cti,
        qrh=sha256(b"qr" + grant.cti).digest(),
        eid=sha256(b"eid" + grant.cti).digest()[:16],
    )
    proof = Proof(
        iss=old.kid.hex(),
        iat=grant.nbf + 20,
        new_public=new.public,
        transcript=transcript,
        qr_iat=grant.nbf + 1,
        rtt=Rtt(31_000, 29_500, 4),
        rssi=-48,
    )
    return Bundle(
        proof=make_proof(old, proof), grant=grant.raw, pop=make_pop(new, transcript, old.kid)
    ).encode()
