"""The thief: whoever has the laptops' files has nothing to test a PIN against.

And the canaries: what would give him an oracle is in nothing that the backend logs, answers or
keeps, but for the one column that judges PINs.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backend.hands import PIN, Hands, code_of
from backend.world import World, pin_of
from nearproof.config.home import Backend, Enrolment, Home
from nearproof.config.settings import Settings
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.userkey import PinContext, derive_user_key, make_pin_proof
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.app import App
from nearproof.daemon.backend.exchange import Answer
from nearproof.daemon.backend.schema import metadata
from nearproof.daemon.backend.wire import DeviceState, PinAction, ServiceCode, Verification
from nearproof.daemon.console import Console
from nearproof.daemon.enrol import enrol
from nearproof.daemon.laptop import Laptop
from nearproof.daemon.provider import Provider, ProviderError


def forms(secret: bytes) -> Iterator[bytes]:
    """How these bytes might be written down."""
    yield secret
    yield secret.hex().encode()
    yield base64.b64encode(secret).rstrip(b"=")
    yield base64.urlsafe_b64encode(secret).rstrip(b"=")


class Scripted(Console):
    """A person who answers at once."""

    def __init__(self, **answers: str) -> None:
        super().__init__(role="new", as_json=True)
        self._answers = answers

    async def ask(self, what: str, step: str = "", **fields: Any) -> str:
        return self._answers.get(what, "no")


async def enrolled(here: World, folder: Path, pin: str) -> tuple[Home, Enrolment]:
    """A laptop activated with this PIN, and what it had kept before any PIN was chosen."""
    home = Home(folder)
    joined = here.backend.joined
    home.save_backend(Backend(joined.url, joined.certificate, joined.issuer))
    draw = here.random.randbytes
    kept = Enrolment(draw(32), "stolen", b"", draw(32), draw(16))
    account = folder.name
    async with Provider(joined, DeviceKey(kept.seed)) as provider:
        begun = await provider.activate(here.invite(account), kept.label)
        kept = msgspec.structs.replace(kept, id=begun.id)
        await provider.send_code(begun.id)
        console = Scripted(sms_code=here.sms_code(begun.id), new_pin=pin, new_pin_again=pin)
        await enrol(Laptop(home, Settings(label="stolen"), console), provider, kept)
    return home, kept


async def test_a_stolen_disk_offers_nothing_to_guess_against(here: World, tmp_path: Path) -> None:
    """Every byte of it was there before a PIN was chosen; the server stops guessing at nine."""
    pins = (PIN, "274839")
    homes = [
        await enrolled(here, tmp_path / name, pin)
        for name, pin in zip(("one", "two"), pins, strict=True)
    ]
    disk = b"".join(file.read_bytes() for home, _ in homes for file in home.path.iterdir())
    for pin, (home, kept) in zip(pins, homes, strict=True):
        assert {path.name for path in home.path.iterdir()} == {"backend.json", "device.json"}
        device = home.device()
        assert device is not None
        assert (device.seed, device.secret, device.salt) == (kept.seed, kept.secret, kept.salt)
        user = derive_user_key(device.secret, device.salt, pin)
        proof = make_pin_proof(user, PinContext(bytes(32), "copy", b"", bytes(16)))
        for secret in (user.public, user.kid, user.seed(), proof[-64:], pin.encode()):
            assert not any(form in disk for form in forms(secret))
    seed = homes[0][1].seed
    async with Provider(here.backend.joined, DeviceKey(seed)) as thief:
        codes = []
        for guess in range(4):
            with pytest.raises(ProviderError) as caught:
                await thief.start_copy(pin_of(DeviceKey(seed), f"{guess:06}"))
            codes.append(caught.value.code)
    assert codes == [ServiceCode.WRONG_PIN] * 3 + [ServiceCode.PIN_LOCKED]


def test_online_guessing_ends_at_nine(hands: Hands, name: str) -> None:
    """Whatever time the thief has: the tenth guess, even if it is right, is not judged."""
    old = hands.enrolled(name)
    for guess in range(9):
        hands.start(old, f"{guess:06}")
        hands.store.now += 86_400_000
    assert hands.device(old).state is DeviceState.DEAD
    assert code_of(hands.start, old, PIN) is ServiceCode.DEVICE_DEAD


def test_canaries(
    hands: Hands, name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """User keys, PIN proofs, SMS codes, challenges: in one column each, or nowhere at all."""
    answers: list[Answer] = []
    canaries: dict[str, bytes] = {}
    kept = hands.post

    def post(method: str, key: DeviceKey, *names: str, body: Any = None) -> Answer:
        for field in ("proof", "old_proof", "user_public"):
            if value := getattr(body, field, b""):
                canaries[f"{method} {field} {len(canaries)}"] = value[-64:]
        answers.append(kept(method, key, *names, body=body))
        return answers[-1]

    hands.post = post  # type: ignore[method-assign]
    with caplog.at_level(logging.DEBUG):
        old = hands.enrolled(name)
        hands.start(old, "839275")
        new, copy = hands.proved(old)
        hands.name(new, copy, name)
        canaries["sms code"] = hands.sms(copy).encode()
        hands.code(new, copy)
        hands.finish(new, copy)
        canaries["kid of the user key"] = pin_of(new).kid
        canaries["user key"] = pin_of(new).public
    assert len(canaries) >= 7
    said = b"".join(answer.body for answer in answers)
    out, err = capfd.readouterr()
    said += caplog.text.encode() + out.encode() + err.encode()
    rows = {table: stored(hands, table) for table in metadata.tables}
    for what, canary in canaries.items():
        for form in forms(canary):
            assert form not in said, what
            for table, content in rows.items():
                judged = table == "devices" and canary in (
                    pin_of(new).public,
                    pin_of(old).public,
                )
                assert judged or form not in content, f"{what} in {table}"


def stored(hands: Hands, table: str) -> bytes:
    """Every value of every row that this test has written."""
    with hands.store.read() as records:
        rows = records._connection.execute(metadata.tables[table].select())
        return b"|".join(
            value if isinstance(value, bytes) else str(value).encode()
            for row in rows
            for value in row
        )


async def test_what_is_refused_for_a_failure_inside_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug in the service: the traceback has no request in it."""

    class Broken:
        def start(self, request: object) -> None:
            raise RuntimeError(f"failed with {request!r}")

    app = App(Broken())  # type: ignore[arg-type]
    proof = b"canary-canary-canary"
    content = msgspec.json.encode(wire.Start(consent=True, uv=Verification.PIN, proof=proof))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/ceremonies",
        "raw_path": b"/v1/ceremonies",
        "query_string": b"",
        "scheme": "https",
        "headers": [(b"content-type", b"application/json")],
    }
    with caplog.at_level(logging.DEBUG):
        await app.starlette(scope, receive, send)  # type: ignore[arg-type]
    app.close()
    assert sent[0]["status"] == 500
    assert base64.b64encode(proof).decode() not in caplog.text
    assert "canary" not in caplog.text
    for body in (
        wire.NewPin(proof, proof),
        wire.PinChange(proof, proof, proof),
        wire.SmsCode("123456"),
        wire.GrantRequest(proof),
        wire.Activation("CODE", bytes(32), "x"),
        wire.ChallengeRequest(PinAction.SET),
    ):
        assert repr(body) == f"{type(body).__name__}(...)"
