"""SMS: every port, at least once, and the same code whenever it is sent again."""

from __future__ import annotations

import asyncio
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from backend.fake_modemmanager import fake_modemmanager
from backend.hands import ISSUER, Hands
from backend.world import PHONE
from nearproof.daemon.backend.desk import sms_key
from nearproof.daemon.backend.errors import SmsPortUnknown
from nearproof.daemon.backend.outbox import LEASE, SmsKind
from nearproof.daemon.backend.sms.dispatch import Dispatcher
from nearproof.daemon.backend.sms.modemmanager import ModemPort
from nearproof.daemon.backend.sms.ports import (
    FilePort,
    Message,
    SmsNotSent,
    SmsPort,
    WebhookPort,
    port_named,
)
from nearproof.daemon.backend.sms.texts import sms_text

HELLO = Message(7, PHONE, "your code is 123456")


class Recording:
    """A port that keeps what it is given, or fails."""

    def __init__(self, failures: int = 0) -> None:
        self.sent: list[Message] = []
        self._failures = failures

    async def send(self, message: Message) -> None:
        if self._failures:
            self._failures -= 1
            raise SmsNotSent("the network is away")
        self.sent.append(message)


def dispatcher(hands: Hands, port: SmsPort) -> Dispatcher:
    return Dispatcher(hands.store, sms_key(ISSUER), port, "en", ThreadPoolExecutor(1))


async def empty(hands: Hands, port: SmsPort) -> None:
    worker = dispatcher(hands, port)
    while await worker.once():
        pass


async def test_a_ceremony_is_told_by_sms(hands: Hands, name: str) -> None:
    """The first says how to cancel; the code is the one that is taken; a resend is the same."""
    port = Recording()
    new, copy = hands.proved(hands.enrolled(name))
    hands.name(new, copy, name)
    await empty(hands, port)
    hands.store.now += 30_000
    hands.post("send_code", new, copy)
    await empty(hands, port)
    first, code, again = [each for each in port.sent if name in each.text or "code" in each.text]
    assert "old cancel" in first.text
    assert hands.sms(copy) in code.text
    assert again.text == code.text
    assert all(each.phone == PHONE for each in port.sent)


async def test_a_wrong_user_id_sends_nothing(hands: Hands, name: str) -> None:
    """To nobody: neither to the account of the QR nor to the one named."""
    port = Recording()
    new, copy = hands.proved(hands.enrolled(name))
    await empty(hands, port)
    before = len(port.sent)
    hands.name(new, copy, f"{name}.other")
    await empty(hands, port)
    assert len(port.sent) == before


async def test_what_fails_is_tried_again(hands: Hands, name: str) -> None:
    """After a while, and with the same text."""
    port = Recording(failures=1)
    hands.started(hands.enrolled(name))
    await empty(hands, port)
    assert port.sent == []
    hands.store.now += 5_000
    await empty(hands, port)
    assert len(port.sent) == 1


async def test_a_worker_that_dies_in_between_sends_it_again(hands: Hands, name: str) -> None:
    """At least once: the lease of the dead ends, the next worker sends the same."""
    hands.started(hands.enrolled(name))
    with hands.store.write() as records:
        (leased,) = records.lease_sms()
    port = Recording()
    await empty(hands, port)
    assert port.sent == []
    hands.store.now += LEASE
    await empty(hands, port)
    assert [message.id for message in port.sent] == [leased.id]


async def test_a_code_of_a_ceremony_that_is_over_is_not_sent(hands: Hands, name: str) -> None:
    """Cancelled before it went out."""
    port = Recording()
    new, copy = hands.proved(hands.enrolled(name))
    hands.name(new, copy, name)
    hands.post("cancel", new, copy)
    await empty(hands, port)
    assert not any("temporary code" in each.text for each in port.sent)


async def test_the_file_port_is_private(tmp_path: Path) -> None:
    """One line of JSON a message, 0600."""
    port = FilePort(tmp_path / "sms.jsonl")
    await port.send(HELLO)
    await port.send(HELLO)
    lines = (tmp_path / "sms.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == [HELLO.text] * 2
    assert stat.S_IMODE((tmp_path / "sms.jsonl").stat().st_mode) == 0o600


@pytest.mark.parametrize("status", [200, 204, 302, 400, 500])
async def test_a_webhook_gets_it_with_a_key(tmp_path: Path, status: int) -> None:
    """A 2xx takes it; anything else, a redirect too, is tried again."""
    seen: list[tuple[dict[str, str], bytes]] = []

    class Gateway(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            seen.append((dict(self.headers), self.rfile.read(length)))
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Gateway)
    Thread(target=server.serve_forever).start()
    (tmp_path / "webhook.token").write_text("hush\n")
    port = port_named(f"webhook:http://127.0.0.1:{server.server_port}/sms", tmp_path)
    try:
        if status < 300:
            await port.send(HELLO)
        else:
            with pytest.raises(SmsNotSent) as caught:
                await port.send(HELLO)
            assert "123456" not in str(caught.value)
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
    ((headers, body),) = seen
    assert json.loads(body) == {"id": 7, "phone": PHONE, "text": HELLO.text}
    assert (headers["Idempotency-Key"], headers["Authorization"]) == (
        "sms-00000007",
        "Bearer hush",
    )


@pytest.mark.parametrize(
    "name", ["", "file:x", "mail:a@b", "webhook:", "webhook:http://example.org"]
)
def test_a_port_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    """At the start; plain HTTP to elsewhere too."""
    with pytest.raises(SmsPortUnknown):
        port_named(name, tmp_path)


async def test_a_webhook_that_is_away_is_not_sent() -> None:
    """And says so."""
    with pytest.raises(SmsNotSent):
        await WebhookPort("http://127.0.0.1:1/").send(HELLO)


async def test_a_modem_sends_it_and_forgets_it(tmp_path: Path) -> None:
    """Over ModemManager's interface; the text does not stay on the modem."""
    async with fake_modemmanager(tmp_path) as modem:
        await ModemPort(modem.address).send(HELLO)
        assert modem.sent == [{"number": PHONE, "text": HELLO.text}]
        assert modem.deleted == 1


async def test_a_modem_that_cannot_send_says_so_without_the_text(tmp_path: Path) -> None:
    """Failing, switched off, or no ModemManager at all."""
    async with fake_modemmanager(tmp_path) as modem:
        modem.failing = True
        with pytest.raises(SmsNotSent) as caught:
            await ModemPort(modem.address).send(HELLO)
        assert "123456" not in str(caught.value)
        assert modem.deleted == 1
        modem.state = 3  # MM_MODEM_STATE_DISABLED
        with pytest.raises(SmsNotSent, match="none that is enabled"):
            await ModemPort(modem.address).send(HELLO)
    with pytest.raises(SmsNotSent):
        await ModemPort("unix:path=/nonexistent").send(HELLO)


@pytest.mark.parametrize("kind", SmsKind)
def test_every_text_is_there_in_both_languages(kind: SmsKind) -> None:
    """A text of the code has the code; every other has the account."""
    for language in ("en", "da"):
        text = sms_text(kind, language, account="anna", code="123456")
        assert ("123456" in text) == (kind is SmsKind.CODE)
        assert ("anna" in text) != (kind is SmsKind.CODE)
