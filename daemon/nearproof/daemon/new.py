"""NEW: the laptop that is to get a copy, steps 13 to 20 of the source page.

Read top-down, `copy` is the story; each step's number is the source's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from nearproof.config import files
from nearproof.config.home import Device, Enrolment
from nearproof.crypto.errors import QrError, QrReason, RefusalCode
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.messages import QrPayload
from nearproof.crypto.session import actions as do
from nearproof.crypto.session.new import NewSession
from nearproof.daemon.clock import boottime
from nearproof.daemon.driver.new import NewDriver
from nearproof.daemon.laptop import AlreadyEnrolled, Laptop
from nearproof.daemon.outcomes import SessionEnded
from nearproof.daemon.provider import Provider, ProviderError
from nearproof.daemon.radio import open_central
from nearproof.qr.advice import AdviceReason
from nearproof.qr.payload import from_text
from nearproof.qr.scanner import Preview, ScanAdvice, Scanner, Sighting

SEED = 32
TYPED = "typed"  # the camera spec that means: the user types the text above the QR


async def activate(laptop: Laptop, ask: Callable[[], Awaitable[str]]) -> None:
    """Enrol the very first laptop of an account with the one-time code that `ask` gives."""
    with laptop.home.locked():
        if laptop.home.device() is not None:
            raise AlreadyEnrolled
        backend, label, seed = laptop.backend(), laptop.label(), os.urandom(SEED)
        async with Provider(backend, DeviceKey.from_seed(seed)) as provider:
            device = await provider.activate(await ask(), label)
        laptop.home.save_device(Device(seed=seed, account=device.account, label=label))
        laptop.console.tell("activated", "26", account=device.account, label=label)


async def copy(
    laptop: Laptop,
    *,
    user: str | None = None,
    proof: Path | None = None,
    photo: Path | None = None,
) -> None:
    """Get a copy of the authenticator of the laptop beside this one.

    Returns when the backend has accepted the proof; raises what `outcomes` explains otherwise.
    A proof that is stored but not yet accepted is handed off first of all.  `proof` is where
    the bundle is kept for `nearproof verify`, `photo` where the frame in which the QR was read
    is kept (it holds the QR's secret).
    """
    with laptop.home.locked():
        if laptop.home.device() is not None:
            raise AlreadyEnrolled
        laptop.backend()
        if proof is not None:
            files.probe(proof)
        enrolment = laptop.home.enrolment()
        if enrolment is None:
            await _prove(laptop, user, proof, photo)
            return
        laptop.console.tell("proof_found", "20")
        _keep(enrolment, proof)
        await _hand_off(laptop, enrolment, user)


async def _prove(laptop: Laptop, user: str | None, proof: Path | None, photo: Path | None) -> None:
    """Steps 13-19: see the QR, find OLD, show the code, get the proof; then hand it off."""
    seed, label = os.urandom(SEED), laptop.label()
    camera = laptop.settings.camera
    central = open_central(laptop.settings.radio)
    try:
        await central.open()
        laptop.console.tell("bluetooth_ready", "17-18")
        qr = await (_typed(laptop) if camera == TYPED else _scan(laptop, camera, photo))
        session = NewSession(
            qr=qr,
            issuer_public=laptop.backend().issuer,
            device_key=DeviceKey.from_seed(seed),
            label=label,
            now=boottime(),
            randomness=os.urandom,
        )
        stored: list[Enrolment] = []

        def store(bundle: bytes) -> None:
            stored.append(Enrolment(seed, label, bundle))
            laptop.home.save_enrolment(stored[0])
            _keep(stored[0], proof)

        driver = NewDriver(session, central, lambda event: _hear(laptop, event), store)
        try:
            if (end := await driver.prove()) is not None:
                raise SessionEnded(end)
            confirming = asyncio.create_task(driver.confirm())
            try:
                await _hand_off(laptop, stored[0], user)
            finally:
                if not await confirming:
                    laptop.console.tell("unconfirmed", "19")
        finally:
            await driver.close()
    finally:
        await central.close()


def _keep(enrolment: Enrolment, proof: Path | None) -> None:
    """For whoever wants to judge the proof later, accepted or not."""
    if proof is not None:
        files.write_bytes(proof, enrolment.bundle)


async def _scan(laptop: Laptop, camera: str, photo: Path | None) -> QrPayload:
    """Step 19: look through the camera until one of our QR codes is seen."""
    refused: QrError | None = None
    async with Scanner(camera, photo=photo is not None) as scanner:
        laptop.console.tell("scanning", "19", camera=camera)
        async for seen in scanner:
            match seen:
                case ScanAdvice():
                    laptop.console.tell("advice", "19", reason=seen.reason)
                    if seen.reason is AdviceReason.FOREIGN:
                        refused = QrError(QrReason.FOREIGN)
                case Sighting():
                    try:
                        qr = from_text(seen.text)
                    except QrError as error:
                        refused = error
                        laptop.console.tell("advice", "19", reason=error.reason)
                        continue
                    if photo is not None and seen.photo is not None:
                        files.write_bytes(photo, seen.photo)
                    laptop.console.tell(
                        "qr_scanned", "19", frame=seen.frame_no, decode_ms=round(seen.decode_ms, 1)
                    )
                    return qr
                case Preview():
                    pass
    raise refused or QrError(QrReason.DAMAGED, "no QR code in the picture")


async def _typed(laptop: Laptop) -> QrPayload:
    """The screenless way: the text above the QR, typed; Bluetooth is still required."""
    qr = from_text(await laptop.console.ask("qr_text", "19"))
    laptop.console.tell("qr_scanned", "19", frame=0, decode_ms=0)
    return qr


def _hear(laptop: Laptop, event: do.Event) -> None:
    """Pass one event of the session on to the console."""
    tell = laptop.console.tell
    match event:
        case do.OldAnswered():
            tell("old_answered", "19")
        case do.CodeShown():
            tell("code", "19", code=event.code)
        case do.CodeHidden():
            tell("code_hidden", "19")
        case do.ProofReceived():
            tell("proof_received", "19")
        case do.Acknowledged():
            tell("acknowledged", "19")
        case do.Refused():
            tell("refused", "19", reason=event.reason, detail=event.detail)
        case _:
            pass


async def _hand_off(laptop: Laptop, enrolment: Enrolment, user: str | None) -> None:
    """Step 20: name the account, and give the backend the proof."""
    try:
        if user is None:
            user = await laptop.console.ask("user", "20")
        async with Provider(laptop.backend(), DeviceKey.from_seed(enrolment.seed)) as provider:
            device = await provider.redeem(enrolment.bundle, user, enrolment.label)
    except BaseException as error:
        if isinstance(error, ProviderError) and _is_final(error):
            laptop.home.save_enrolment(None)
        else:
            laptop.console.tell("proof_kept", "20")
        raise
    laptop.console.tell("accepted", "20", account=device.account)
    laptop.home.save_device(Device(enrolment.seed, device.account, enrolment.label))
    laptop.home.save_enrolment(None)
    laptop.console.tell("activated", "26", account=device.account, label=enrolment.label)


def _is_final(error: ProviderError) -> bool:
    """Whether no later try can help: the verifier refused, and not for a mistyped user ID."""
    return error.step is not None and error.code != RefusalCode.WRONG_ACCOUNT
