"""Request signatures (RFC 9421): the whole request, by the right key, at the right time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.world import World, code_of
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.facts import Problem
from nearproof.daemon.backend.signatures import (
    CLOCK_SKEW,
    IDEMPOTENCY_KEY,
    MAX_AGE,
    HttpMessage,
    SignatureRefused,
    SignatureStale,
    SignerUnknown,
    sign,
    verify,
)
from nearproof.daemon.backend.wire import ServiceCode

KEY, OTHER = DeviceKey(bytes(32)), DeviceKey(bytes([1]) * 32)
URL = "https://backend.test:8443/v1/redemptions?account=alice&label=x"
BODY = b"the body"
NOW = 1_800_000_000


def keys(name: str) -> bytes | None:
    """Both laptops are enrolled."""
    return {key.kid.hex(): key.public for key in (KEY, OTHER)}.get(name)


def signed(**headers: str) -> dict[str, str]:
    """The header fields of a signed POST."""
    return sign(KEY, "POST", URL, {IDEMPOTENCY_KEY: "a-good-key", **headers}, BODY, NOW)


def check(
    headers: dict[str, str],
    method: str = "POST",
    url: str = URL,
    body: bytes = BODY,
    now: int = NOW,
) -> bytes:
    signed = verify(HttpMessage(method, url, headers), body, keys)
    signed.require_fresh(now)
    return signed.public


def test_a_signed_request_names_its_signer() -> None:
    """The public key of the holder comes back; other header fields may come and go."""
    assert check(signed()) == KEY.public
    assert check({**signed(), "User-Agent": "x"}) == KEY.public


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"url": URL.replace("backend", "another")},
        {"url": URL.replace("8443", "8444")},
        {"url": URL.replace("/v1/", "/v2/")},
        {"url": URL.replace("alice", "bob")},
        {"url": URL.partition("?")[0]},
        {"body": b"the bodY"},
        {"body": b""},
    ],
)
def test_nothing_that_matters_can_be_changed(change: dict[str, str]) -> None:
    """Method, authority, path, query and body are covered."""
    with pytest.raises(SignatureRefused):
        check(signed(), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "field", ["Signature", "Signature-Input", "Content-Digest", IDEMPOTENCY_KEY]
)
def test_no_field_of_it_can_be_left_out_or_changed(field: str) -> None:
    """Each of the four is needed as it was signed."""
    headers = signed()
    with pytest.raises(SignatureRefused):
        check({name: value for name, value in headers.items() if name != field})
    with pytest.raises(SignatureRefused):
        check({**headers, field: headers[field].replace("a", "b", 1)})


@pytest.mark.parametrize("component", ["method", "authority", "path", "query"])
def test_a_signature_that_covers_less_is_refused(component: str) -> None:
    """Even a valid one: what it must cover is ours to say."""
    headers = signed()
    headers["Signature-Input"] = headers["Signature-Input"].replace(f'"@{component}" ', "")
    with pytest.raises(SignatureRefused):
        check(headers)


def test_a_post_signs_its_idempotency_key_and_its_body_even_if_empty() -> None:
    """Otherwise whoever carries the request could have it done again."""
    unkeyed = sign(KEY, "POST", URL, {}, BODY, NOW)
    with pytest.raises(SignatureRefused, match="idempotency-key"):
        check({**unkeyed, IDEMPOTENCY_KEY: "added-later"})
    empty = sign(KEY, "POST", URL, {IDEMPOTENCY_KEY: "a-good-key"}, b"", NOW)
    assert check(empty, body=b"") == KEY.public
    get = sign(KEY, "GET", URL, {}, b"", NOW)
    assert check(get, method="GET", body=b"") == KEY.public


@given(st.binary(min_size=64, max_size=64))
def test_no_other_signature_holds(signature: bytes) -> None:
    """Random signatures, and the constant one that small-order keys accept."""
    import base64

    headers = signed()
    headers["Signature"] = f"nearproof=:{base64.b64encode(signature).decode()}:"
    with pytest.raises(SignatureRefused):
        check(headers)


@pytest.mark.parametrize("age", [-CLOCK_SKEW, 0, MAX_AGE])
def test_a_signature_holds_for_its_time(age: int) -> None:
    """From 30 s ahead to 300 s old."""
    assert check(signed(), now=NOW + age) == KEY.public


@pytest.mark.parametrize("age", [-CLOCK_SKEW - 1, MAX_AGE + 1])
def test_before_and_after_it_is_stale(age: int) -> None:
    """`SignatureStale`, so that a laptop knows to ask for the time."""
    with pytest.raises(SignatureStale):
        check(signed(), now=NOW + age)


def test_the_key_of_another_does_not_help() -> None:
    """A keyid that is exchanged is covered too; an unknown one is named as such."""
    headers = signed()
    for kid, refusal in ((OTHER.kid.hex(), SignatureRefused), ("00" * 16, SignerUnknown)):
        changed = headers["Signature-Input"].replace(KEY.kid.hex(), kid)
        with pytest.raises(refusal):
            check({**headers, "Signature-Input": changed})


def test_two_signatures_are_one_too_many() -> None:
    """Both good, by two laptops: the request would have two signers."""
    fields = signed()
    other = sign(OTHER, "POST", URL, {IDEMPOTENCY_KEY: "a-good-key"}, BODY, NOW)
    for name in ("Signature", "Signature-Input"):
        fields[name] += ", " + other[name].replace("nearproof=", "second=", 1)
    with pytest.raises(SignatureRefused, match="one signature"):
        check(fields)


def test_a_failure_to_look_the_key_up_is_no_bad_signature() -> None:
    """A database that is busy says so: the laptop asks again."""

    def busy(_kid: str) -> bytes:
        raise Problem(ServiceCode.BUSY)

    with pytest.raises(Problem):
        verify(HttpMessage("POST", URL, signed()), BODY, busy)


async def test_over_http_an_unsigned_request_is_refused(here: World) -> None:
    """SIGNATURE, UNKNOWN_DEVICE and SIGNATURE_TIME, each by its name."""
    old = await here.activated("alice")
    assert code_of(await here.send(None, "GET", "/v1/device"))[1] == "signature"
    assert code_of(await here.send(here.key(), "GET", "/v1/device"))[1] == "unknown_device"
    url = f"{here.backend.url}/v1/device"
    stale = sign(old, "GET", url, {}, b"", int(time.time()) - 2 * MAX_AGE)
    async with here.client() as client:
        assert code_of(await client.get(url, headers=stale))[1] == "signature_time"


async def test_over_http_a_request_cannot_be_sent_to_another_place(here: World) -> None:
    """A signed cancel of one copy does not cancel another; nor with a second key beside it."""
    old = await here.activated("alice")
    async with here.laptop(old) as laptop:
        copy = await laptop.start_copy(None)
    url = f"{here.backend.url}/v1/ceremonies/{'00' * 16}/cancel"
    fields = {"Content-Type": wire.JSON, IDEMPOTENCY_KEY: "the-signed-key"}
    headers = sign(old, "POST", url, fields, b"{}", int(time.time()))
    async with here.client() as client:
        there = url.replace("00" * 16, copy.id)
        moved = await client.post(there, headers=headers, content=b"{}")
        doubled = await client.post(
            url, headers=[*headers.items(), (IDEMPOTENCY_KEY, "a-second-key")], content=b"{}"
        )
    assert code_of(moved)[1] == "signature"
    assert code_of(doubled)[1] == "signature"
