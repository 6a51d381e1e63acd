"""Two independent COSE libraries judge our tokens, and we judge theirs."""

from __future__ import annotations

from typing import Any

import cbor2
import cwt
import pytest
from pycose.headers import Algorithm
from pycose.keys.curves import Ed25519
from pycose.keys.okp import OKPKey
from pycose.messages.cosemessage import CoseMessage
from pycose.messages.sign1message import Sign1Message

from crypto.hostile import claims_of
from crypto.pair import ISSUER, NEW_KEY, OLD_KEY, Pair
from nearproof.crypto import cbor, cose
from nearproof.crypto.errors import EncodingError, HeadersRefused, SealBroken
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.proof import Bundle


def tokens() -> dict[str, tuple[bytes, DeviceKey, str]]:
    """The three tokens of one honest ceremony."""
    pair = Pair("oracles")
    pair.run(pair.done)
    assert pair.bundle is not None
    bundle = Bundle.decode(pair.bundle)
    return {
        "grant": (bundle.grant, ISSUER, cose.TYP_GRANT),
        "proof": (bundle.proof, OLD_KEY, cose.TYP_PROOF),
        "pop": (bundle.pop, NEW_KEY, cose.TYP_POP),
    }


TOKENS = tokens()
each_token = pytest.mark.parametrize("name", TOKENS)


def pycose_key(key: DeviceKey, *, private: bool = False) -> OKPKey:
    return OKPKey(crv=Ed25519, x=key.public, d=key.seed() if private else b"")


def cwt_key(key: DeviceKey, *, private: bool = False) -> Any:
    parts: dict[int, Any] = {1: 1, 2: key.kid, 3: -8, -1: 6, -2: key.public}
    if private:
        parts[-4] = key.seed()
    return cwt.COSEKey.new(parts)


@each_token
def test_pycose_verifies_our_token(name: str) -> None:
    """And reads the claims that we wrote; under another key it does not verify."""
    data, key, typ = TOKENS[name]
    message = CoseMessage.decode(data)
    assert isinstance(message, Sign1Message)
    message.key = pycose_key(key)
    assert message.verify_signature()
    assert message.phdr[16] == typ
    assert message.uhdr == {}
    assert message.payload is not None
    assert cbor.decode(message.payload, max_size=4096) == claims_of(data)
    message.key = pycose_key(DeviceKey.from_seed(bytes(32)))
    assert not message.verify_signature()


@each_token
def test_cwt_verifies_our_token(name: str) -> None:
    """And refuses it under another key of the same kid."""
    data, key, typ = TOKENS[name]
    header, _, payload = cwt.COSE.new().decode_with_headers(data, cwt_key(key))
    assert header == {1: -8, 4: key.kid, 16: typ}
    assert cbor.decode(payload, max_size=4096) == claims_of(data)
    impostor = cwt.COSEKey.new(
        {1: 1, 2: key.kid, 3: -8, -1: 6, -2: DeviceKey.from_seed(bytes(32)).public}
    )
    with pytest.raises(cwt.VerifyError):
        cwt.COSE.new().decode(data, impostor)


@each_token
def test_cbor2_reads_the_same_values(name: str) -> None:
    """A general decoder sees what our strict one does."""
    data, _, _ = TOKENS[name]
    tag = cbor2.loads(data)
    assert tag.tag == 18 and len(tag.value) == 4
    assert cbor2.loads(tag.value[2]) == claims_of(data)


def by_pycose(key: DeviceKey, phdr: dict[Any, Any], payload: bytes, **uhdr: Any) -> bytes:
    message = Sign1Message(phdr=phdr, uhdr=uhdr.get("uhdr", {}), payload=payload)
    message.key = pycose_key(key, private=True)
    return bytes(message.encode(tag=True, sign=True))


def by_cwt(key: DeviceKey, phdr: dict[int, Any], payload: bytes, **uhdr: Any) -> bytes:
    encoder = cwt.COSE.new(alg_auto_inclusion=False, kid_auto_inclusion=False)
    return bytes(
        encoder.encode_and_sign(
            payload, cwt_key(key, private=True), protected=phdr, unprotected=uhdr.get("uhdr", {})
        )
    )


MAKERS = {"pycose": by_pycose, "cwt": by_cwt}
each_maker = pytest.mark.parametrize("maker", MAKERS)


@each_maker
@each_token
def test_a_token_of_the_exact_shape_is_accepted(maker: str, name: str) -> None:
    """Byte for byte the one that we would have made."""
    data, key, typ = TOKENS[name]
    payload = cbor.encode(claims_of(data))
    theirs = MAKERS[maker](key, {1: -8, 4: key.kid, 16: typ}, payload)
    assert theirs == data
    assert cose.verify1(theirs, typ, key.public) == claims_of(data)


@each_maker
@pytest.mark.parametrize(
    ("phdr", "uhdr"),
    [
        ({1: -8, 4: OLD_KEY.kid}, {}),
        ({1: -8, 16: cose.TYP_PROOF}, {}),
        ({1: -8, 4: OLD_KEY.kid, 16: cose.TYP_POP}, {}),
        ({1: -8, 3: "application/cwt", 4: OLD_KEY.kid, 16: cose.TYP_PROOF}, {}),
        ({1: -8, 16: cose.TYP_PROOF}, {4: OLD_KEY.kid}),
        ({1: -8, 4: OLD_KEY.kid, 16: cose.TYP_PROOF}, {3: "application/cwt"}),
    ],
    ids=str,
)
def test_other_headers_are_refused(maker: str, phdr: dict[int, Any], uhdr: dict[int, Any]) -> None:
    """Though the libraries would take them."""
    payload = cbor.encode(claims_of(TOKENS["proof"][0]))
    theirs = MAKERS[maker](OLD_KEY, phdr, payload, uhdr=uhdr)
    with pytest.raises(HeadersRefused):
        cose.parse(theirs, cose.TYP_PROOF)


@each_maker
def test_another_order_of_headers_is_refused(maker: str) -> None:
    """The protected bytes are a map with its keys out of order."""
    payload = cbor.encode({1: 2})
    theirs = MAKERS[maker](OLD_KEY, {16: cose.TYP_POP, 4: OLD_KEY.kid, 1: -8}, payload)
    with pytest.raises(EncodingError):
        cose.parse(theirs, cose.TYP_POP)


@each_maker
@pytest.mark.parametrize(
    "payload",
    [
        cbor2.dumps({1: True}),
        cbor2.dumps({1: 1.0}),
        cbor2.dumps({1: None}),
        cbor2.dumps({"iss": "x"}),
        cbor2.dumps({-1: 0, 10: 0}),
        cbor2.dumps([1]),
        b"\xa1\x18\x01\x02",
        b"\xa2\x01\x02\x01\x02",
        b"\xbf\x01\x02\xff",
        b"",
    ],
    ids=lambda payload: payload.hex(),
)
def test_payloads_that_are_not_strict_are_refused(maker: str, payload: bytes) -> None:
    """Correctly signed, and not deterministic or outside the subset."""
    theirs = MAKERS[maker](OLD_KEY, {1: -8, 4: OLD_KEY.kid, 16: cose.TYP_POP}, payload)
    with pytest.raises(EncodingError):
        cose.parse(theirs, cose.TYP_POP)


@each_maker
def test_a_token_by_another_key_is_refused(maker: str) -> None:
    """Whatever kid it names."""
    phdr = {1: -8, 4: OLD_KEY.kid, 16: cose.TYP_POP}
    theirs = MAKERS[maker](NEW_KEY, phdr, cbor.encode({1: 2}))
    with pytest.raises(SealBroken):
        cose.verify1(theirs, cose.TYP_POP, OLD_KEY.public)


def test_pycose_names_our_algorithm_eddsa() -> None:
    """-8, the one both libraries agree on."""
    message = CoseMessage.decode(TOKENS["proof"][0])
    assert message.phdr[Algorithm].identifier == -8
