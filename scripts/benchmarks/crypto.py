"""The cryptography of one ceremony, beside the bare primitives that it cannot do without."""

from __future__ import annotations

import os
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from figures import Figure, of

from nearproof.crypto.grant import Policy, issue_grant, verify_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.session import actions as do
from nearproof.crypto.session.new import NewSession
from nearproof.crypto.session.old import OldSession
from nearproof.crypto.verifier import verify_bundle

ISSUER = DeviceKey.generate(os.urandom)
SIGNATURES, CHECKS, EXCHANGES = 2, 7, 6
"""What no implementation can save: proof and PoP signed; grant (3), PoP (2), proof (2) verified;
NKpsk0's es and ee on both sides, and a public key for each ephemeral."""


def measure(*, quick: bool) -> list[Figure]:
    """Milliseconds of processor time: both machines and the verifier, no radio, no network."""
    runs = 30 if quick else 200
    totals, floors = [], []
    for _ in range(runs):
        totals.append(_timed(_ceremony))
        floors.append(_timed(_primitives))
    floor = of("", floors, "ms").value
    return [
        of(
            "crypto of one ceremony (OLD, NEW, verifier)",
            totals,
            "ms",
            target=5.0,
            floor=floor,
            floor_name="bare primitives",
        )
    ]


def _timed(work: object) -> float:
    assert callable(work)
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000


def _ceremony() -> None:
    old_key, new_key = DeviceKey.generate(os.urandom), DeviceKey.generate(os.urandom)
    raw = issue_grant(
        ISSUER, iss="bench", cti=os.urandom(16), nbf=0, old_public=old_key.public, policy=Policy()
    )
    grant = verify_grant(raw, ISSUER.public)
    old = OldSession(device_key=old_key, grant=grant, received_at=0, now=0, randomness=os.urandom)
    new = NewSession(
        qr=old.qr,
        issuer_public=ISSUER.public,
        device_key=new_key,
        label="new",
        now=0,
        randomness=os.urandom,
    )
    old.started(0)
    (advertised,) = (each for each in old.outputs() if isinstance(each, do.Advertise))
    new.heard(advertised.eid, 0)
    old.connected("link", 0)
    new.connected("link", advertised.eid, None, 0)
    bundle = b""
    while not bundle:
        for output in new.outputs():
            match output:
                case do.SendMessage():
                    old.receive("link", output.message, 0)
                    new.sent("link", 0)
                case do.CodeShown():
                    old.enter_code(output.code, 0)
                case do.ProofReceived():
                    bundle = output.bundle
                case _:
                    pass
        for output in old.outputs():
            if isinstance(output, do.SendMessage):
                new.receive("link", output.message, 0)
    verify_bundle(bundle, ISSUER.public, at=1)


def _primitives() -> None:
    signer = Ed25519PrivateKey.generate()
    public, signature = signer.public_key(), signer.sign(b"message")
    for _ in range(SIGNATURES - 1):
        signer.sign(b"message")
    for _ in range(CHECKS):
        public.verify(signature, b"message")
    peer = X25519PrivateKey.generate().public_key()
    for _ in range(EXCHANGES):
        X25519PrivateKey.generate().exchange(peer)
