"""The laptop's client: it believes only what fits, in bounded size and time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backend.liar import ISSUER, http, info, liar, says
from backend.world import World, backend
from nearproof.crypto.grant import Policy, issue_grant
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon import provider as provider_module
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.certificate import self_signed
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.join import Joined
from nearproof.daemon.provider import MAX_ANSWER, Provider, ProviderError, ProviderReason

KEY = DeviceKey(bytes(32))
COPY = "00" * 16


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses between tries are not what is tested."""
    monkeypatch.setattr(provider_module, "PAUSE", 0.001)


async def error_of(joined: Joined, timeout: float = 5) -> ProviderError:  # noqa: ASYNC109
    """What asking for one's own device fails with."""
    async with Provider(joined, KEY, timeout=timeout) as provider:
        with pytest.raises(ProviderError) as caught:
            await provider.device()
    return caught.value


def device(kid: str = KEY.kid.hex(), account: str = "alice") -> bytes:
    return msgspec.json.encode(wire.Device(account, kid, "x", wire.DeviceState.ACTIVE))


LIES = {
    "garbage instead of JSON": http(200, b"\xff\xfe{"),
    "JSON of another shape": http(200, b'{"account": 1}'),
    "not JSON at all": http(200, b"<html>", "text/html"),
    "nothing": http(200, b""),
    "another laptop's record": http(200, device("11" * 16)),
    "a redirect": http(302, b"", extra="Location: https://example.org/\r\n"),
    "a compressed answer": http(200, device(), extra="Content-Encoding: gzip\r\n"),
    "an unexpected status": http(204, b""),
    "a refusal without a problem": http(404, b"no", "text/plain"),
    "a problem of another shape": http(409, b"[]", wire.PROBLEM),
    "a huge answer": http(200, b" " * (MAX_ANSWER + 1)),
    "no HTTP": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "endless headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000,
}


@pytest.mark.parametrize("lie", LIES)
async def test_an_answer_that_cannot_be_is_a_lie(tmp_path: Path, lie: str) -> None:
    """LYING, at the first such answer."""
    seen: list[str] = []
    async with liar(tmp_path, says(LIES[lie]), seen=seen) as joined:
        error = await error_of(joined)
    assert error.reason is ProviderReason.LYING, error
    assert len([head for head in seen if "device" in head]) == 1


HONEST = {
    "info": wire.Info("nearproof", 1, ISSUER.public, 1_800_000_000),
    "policy": BackendPolicy().public(),
    "device": wire.Device("anna", KEY.kid.hex(), "x", wire.DeviceState.ACTIVE, COPY),
    "devices": wire.Devices((wire.Listed(COPY, "x", 1),)),
    "events": wire.Events(1, (wire.Event(1, wire.EventKind.ACTIVATED, 1, COPY, "x"),)),
    "start_copy": wire.Ceremony(COPY, wire.CeremonyState.LIVE, COPY, 1, 1, 2, 0, 3, "x"),
    "activate": wire.Enrolment(COPY, wire.CeremonyState.DONE, "x", 1, 0, 1, 1, 1, 1, 1, "anna"),
}
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "events": (0,),
    "start_copy": (None,),
    "activate": ("CODE", "x"),
}
HOSTILE = {"cursor": "\x1b[2Jx", "line": "a\nb", "direction": "a\u202eb", "endless": "x" * 700}


def fields(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where the texts and the numbers of an answer are."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from fields(inner, (*path, name))
        case list():
            for index, inner in enumerate(value):
                yield from fields(inner, (*path, index))
        case _:
            yield path


def value_at(honest: msgspec.Struct, path: tuple[str | int, ...]) -> object:
    inner: Any = msgspec.to_builtins(honest)
    for step in path:
        inner = inner[step]
    return inner


def planted(honest: msgspec.Struct, path: tuple[str | int, ...], lie: object) -> bytes:
    body: Any = msgspec.to_builtins(honest)
    inner = body
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = lie
    return msgspec.json.encode(body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param(method, path, id=f"{method}-{'.'.join(map(str, path))}")
        for method, honest in HONEST.items()
        for path in fields(msgspec.to_builtins(honest))
    ],
)
async def test_what_cannot_be_shown_is_a_lie(
    tmp_path: Path, method: str, path: tuple[str | int, ...]
) -> None:
    """Every text and number of every answer: what a terminal cannot take is not handed on."""
    honest = HONEST[method]
    number = isinstance(value_at(honest, path), int)
    for lie in (10**30,) if number else HOSTILE.values():

        async def script(request: str, writer: asyncio.StreamWriter, lie: object = lie) -> None:
            asked = request.startswith("GET /v1/info") and method != "info"
            body = msgspec.json.encode(HONEST["info"]) if asked else planted(honest, path, lie)
            writer.write(http(200, body))

        async with liar(tmp_path, script) as joined, Provider(joined, KEY) as provider:
            with pytest.raises(ProviderError) as caught:
                await getattr(provider, method)(*ARGUMENTS.get(method, ()))
        assert caught.value.reason is ProviderReason.LYING
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("method", HONEST)
async def test_what_can_be_shown_is_handed_on(tmp_path: Path, method: str) -> None:
    """The other side of the test above."""

    async def script(request: str, writer: asyncio.StreamWriter) -> None:
        name = "info" if request.startswith("GET /v1/info") else method
        writer.write(http(200, msgspec.json.encode(HONEST[name])))

    async with liar(tmp_path, script) as joined, Provider(joined, KEY) as provider:
        assert await getattr(provider, method)(*ARGUMENTS.get(method, ()))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (info(issuer=KEY.public), ProviderReason.LYING),
        (info(service="something"), ProviderReason.LYING),
        (info(api=2), ProviderReason.OTHER_VERSION),
        (http(200, b"{}"), ProviderReason.LYING),
    ],
    ids=["issuer", "service", "version", "shape"],
)
async def test_another_backend_behind_the_same_certificate_is_refused(
    tmp_path: Path, answer: bytes, reason: ProviderReason
) -> None:
    """Before anything is signed, the backend must be the joined one, and of our version."""

    async def script(_request: str, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    seen: list[str] = []
    async with liar(tmp_path, script, seen=seen) as joined:
        error = await error_of(joined)
    assert error.reason is reason
    assert len(seen) == 1
    assert "signature" not in seen[0].lower()


async def test_a_slow_drip_ends_in_time(tmp_path: Path) -> None:
    """UNREACHABLE after the timeout, however steadily the bytes come."""
    began = asyncio.get_running_loop().time()

    async def drip(request: str, writer: asyncio.StreamWriter) -> None:
        if request.startswith("GET /v1/info"):
            writer.write(info())
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with liar(tmp_path, drip) as joined:
        error = await error_of(joined, timeout=0.3)
    assert error.reason is ProviderReason.UNREACHABLE
    assert asyncio.get_running_loop().time() - began < 5


async def test_silence_ends_in_time(tmp_path: Path) -> None:
    """A server that takes the connection and says nothing."""
    forever = asyncio.Event()

    async def silent(_request: str, _writer: asyncio.StreamWriter) -> None:
        await forever.wait()

    async with liar(tmp_path, silent) as joined:
        error = await error_of(joined, timeout=0.2)
        forever.set()
    assert error.reason is ProviderReason.UNREACHABLE


async def test_a_server_with_another_certificate_gets_nothing(tmp_path: Path) -> None:
    """WRONG_CERTIFICATE, once: no request reaches an impostor at the backend's address."""
    seen: list[str] = []
    async with liar(tmp_path, says(http(200, device())), seen=seen) as joined:
        pem, _, _ = self_signed().decode().partition("-----BEGIN PRIVATE")
        error = await error_of(Joined(joined.url, pem, joined.issuer))
    assert error.reason is ProviderReason.WRONG_CERTIFICATE
    assert seen == []


async def test_a_server_without_tls_gets_nothing() -> None:
    """WRONG_CERTIFICATE: whatever listens there is not what was joined."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(http(200, device()))
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    pem, _, _ = self_signed().decode().partition("-----BEGIN PRIVATE")
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    error = await error_of(Joined(url, pem, ISSUER.public))
    server.close()
    assert error.reason is ProviderReason.WRONG_CERTIFICATE


async def test_a_backend_that_is_down_is_unreachable(tmp_path: Path) -> None:
    """UNREACHABLE, and reachable again with the same Provider when it is back."""
    answers = says(http(200, device()))
    async with liar(tmp_path, answers) as joined:
        pass
    assert (await error_of(joined)).reason is ProviderReason.UNREACHABLE


@pytest.mark.parametrize("cut", [b"", b"HTTP/1.1 20", http(200, device())[:-5]])
async def test_an_answer_that_is_cut_off_is_asked_for_again(tmp_path: Path, cut: bytes) -> None:
    """The retry carries the same question; the second answer counts."""
    async with liar(tmp_path, says(cut, http(200, device()))) as joined:
        async with Provider(joined, KEY) as provider:
            assert (await provider.device()).account == "alice"


async def test_a_retry_keeps_its_idempotency_key(tmp_path: Path) -> None:
    """Three tries of one POST are one request to the server; the next POST is another."""
    seen: list[str] = []
    busy = http(503, b'{"type":"x","title":"x","status":503,"code":"busy"}', wire.PROBLEM)
    async with liar(tmp_path, says(busy), seen=seen) as joined:
        async with Provider(joined, KEY) as provider:
            for _ in range(2):
                with pytest.raises(ProviderError) as caught:
                    await provider.start_copy(None)
                assert caught.value.reason is ProviderReason.UNAVAILABLE
    keys = [
        line.partition(": ")[2]
        for head in seen
        for line in head.split("\r\n")
        if line.lower().startswith("idempotency-key")
    ]
    assert len(keys) == 6
    assert len(set(keys[:3])) == len(set(keys[3:])) == 1
    assert keys[0] != keys[3]


async def test_a_proxy_that_lost_its_backend_is_unavailable(tmp_path: Path) -> None:
    """A 502 without a problem is no lie: UNAVAILABLE after the last try."""
    async with liar(tmp_path, says(http(502, b"<html>", "text/html"))) as joined:
        assert (await error_of(joined)).reason is ProviderReason.UNAVAILABLE


def grant(issuer: DeviceKey = ISSUER, old: DeviceKey = KEY) -> bytes:
    return issue_grant(
        issuer,
        iss="x",
        cti=bytes(16),
        nbf=1_700_000_000,
        old_public=old.public,
        policy=Policy(),
    )


@pytest.mark.parametrize(
    "answer",
    [
        http(201, grant(issuer=DeviceKey(bytes([7]) * 32)), wire.GRANT),
        http(201, grant(old=DeviceKey(bytes([8]) * 32)), wire.GRANT),
        http(201, grant()[:-1], wire.GRANT),
        http(201, b"", wire.GRANT),
        http(201, grant(), wire.JSON),
        http(200, grant(), wire.GRANT),
    ],
    ids=["another issuer", "another laptop", "cut", "empty", "media type", "status"],
)
async def test_a_grant_that_does_not_hold_is_a_lie(tmp_path: Path, answer: bytes) -> None:
    """No grant is handed on unless the joined issuer signed it for this laptop."""
    async with liar(tmp_path, says(answer)) as joined, Provider(joined, KEY) as provider:
        with pytest.raises(ProviderError) as caught:
            await provider.grant(COPY)
    assert caught.value.reason is ProviderReason.LYING


async def test_a_good_grant_is_handed_on(tmp_path: Path) -> None:
    """The other side of the test above."""
    good = says(http(201, grant(), wire.GRANT))
    async with liar(tmp_path, good) as joined, Provider(joined, KEY) as provider:
        assert (await provider.grant(COPY)).raw == grant()


async def test_another_copy_than_the_one_asked_for_is_a_lie(tmp_path: Path) -> None:
    """An answer must be about what was asked."""
    body = msgspec.json.encode(
        wire.Ceremony("11" * 16, wire.CeremonyState.LIVE, KEY.kid.hex(), 1, 1, 2, 0, 3)
    )
    async with liar(tmp_path, says(http(200, body))) as joined, Provider(joined, KEY) as provider:
        with pytest.raises(ProviderError) as caught:
            await provider.ceremony(COPY)
    assert caught.value.reason is ProviderReason.LYING


async def test_text_from_outside_cannot_drive_a_terminal(tmp_path: Path) -> None:
    """Control characters of a server's detail are taken out, and its length is bounded."""
    problem = wire.ProblemDetails("t", "t", 403, "co\x1bde", "\x1b[2J\u202e" + "x" * 1000)
    answer = http(403, msgspec.json.encode(problem), wire.PROBLEM)
    async with liar(tmp_path, says(answer)) as joined:
        error = await error_of(joined)
    assert error.reason is ProviderReason.REFUSED
    assert str(error).isprintable()
    assert len(error.detail) <= 200


async def test_a_clock_that_has_drifted_is_set_again(here: World) -> None:
    """SIGNATURE_TIME is answered by asking for the time, once, and the request goes through."""
    old = await here.activated("alice")
    async with here.laptop(old) as provider:
        await provider.info()
        assert provider._ahead is not None
        provider._ahead -= 7200
        assert (await provider.device()).account == here.name("alice")


async def test_the_wall_clock_does_not_matter(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop whose clock is years off signs by the server's time."""
    old = await here.activated("alice")
    monkeypatch.setattr(time, "time", lambda: 86_400.0)
    async with here.laptop(old) as provider:
        assert (await provider.device()).account == here.name("alice")


async def test_it_survives_a_restart_of_the_backend(tmp_path: Path) -> None:
    """Keys and joins outlive the process: the same Provider goes on with the next one."""
    with backend(tmp_path) as first:
        here = World(tmp_path, first)
        old = await here.activated("alice")
    with backend(tmp_path) as second:
        again = World(tmp_path, second, number=here.number)
        assert second.joined.certificate == first.joined.certificate
        assert second.joined.issuer == first.joined.issuer
        async with again.laptop(old) as provider:
            assert (await provider.device()).account == here.name("alice")


def test_holding_a_provider_imports_no_server_and_no_http_client() -> None:
    """Not before the first request, and the server's parts never."""
    program = (
        "import sys, nearproof.daemon.provider\n"
        "heavy = {'sqlalchemy', 'starlette', 'uvicorn', 'http_message_signatures', 'alembic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_key_log_variable_is_not_honoured(here: World, tmp_path: Path) -> None:
    """SSLKEYLOGFILE writes nothing: neither when a laptop joins nor when it asks."""
    log = tmp_path / "keys.log"
    program = (
        "import asyncio, sys\n"
        "from nearproof.crypto.identity import DeviceKey\n"
        "from nearproof.daemon.join import join\n"
        "from nearproof.daemon.provider import Provider\n"
        "async def main():\n"
        "    async with Provider(await join(sys.argv[1]), DeviceKey(bytes(32))) as provider:\n"
        "        print((await provider.info()).service)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, here.backend.line],
        env={"SSLKEYLOGFILE": str(log)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "nearproof\n"
    assert not log.exists()
