"""The second implementation's Noise against the public vector, which nobody here wrote."""

from __future__ import annotations

import json
from pathlib import Path

from vectors.pxp1.handshake import NAME, Noise
from vectors.pxp1.primitives import seal

FILE = Path(__file__).parents[1] / "crypto/data/noise_nkpsk0_25519_chachapoly_sha256.json"
EPHEMERAL = ("init_ephemeral", "resp_ephemeral")


def test_the_second_implementation_passes_the_public_noise_vector() -> None:
    """Every message of the cacophony vector, from both sides, and the handshake hash."""
    vector = json.loads(FILE.read_text("utf-8"))["vectors"][0]
    keys_of = {name: bytes.fromhex(vector[name]) for name in ("resp_static", *EPHEMERAL)}
    payloads = [bytes.fromhex(message["payload"]) for message in vector["messages"]]
    expected = [bytes.fromhex(message["ciphertext"]) for message in vector["messages"]]
    assert vector["protocol_name"].encode() == NAME
    start = (
        bytes.fromhex(vector["init_prologue"]),
        bytes.fromhex(vector["init_psks"][0]),
        bytes.fromhex(vector["init_remote_static"]),
    )
    new, old = Noise(*start), Noise(*start)
    assert new.write_m1(keys_of["init_ephemeral"], payloads[0]) == expected[0]
    assert old.read_m1(expected[0], keys_of["resp_static"]) == payloads[0]
    assert old.write_m2(keys_of["resp_ephemeral"], payloads[1]) == expected[1]
    assert new.read_m2(expected[1]) == payloads[1]
    keys = new.keys()
    assert keys == old.keys()
    assert keys.h.hex() == vector["handshake_hash"]
    for index, (payload, ciphertext) in enumerate(zip(payloads[2:], expected[2:], strict=True)):
        assert seal(keys.k2 if index % 2 else keys.k1, index // 2, payload) == ciphertext
