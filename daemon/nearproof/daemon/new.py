"""NEW: the laptop that is to get a copy, steps 13 to 19 of the source page (`enrol` goes on).

Read top-down, `copy` is the story; each step's number is the source's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from nearproof.ble.ports import Central
from nearproof.config import files
from nearproof.config.home import Device, Enrolment
from nearproof.crypto.errors import QrError, QrReason
from nearproof.crypto.identity import DeviceKey
from nearproof.crypto.messages import QrPayload
from nearproof.crypto.session import actions as do
from nearproof.crypto.session.new import NewSession
from nearproof.crypto.session.timing import CODE_TTL, SECOND
from nearproof.crypto.userkey import SALT_SIZE, SECRET_SIZE
from nearproof.daemon.backend.wire import DeviceState, ServiceCode
from nearproof.daemon.clock import boottime
from nearproof.daemon.driver.new import NewDriver
from nearproof.daemon.enrol import enrol
from nearproof.daemon.laptop import AlreadyEnrolled, Declined, EnrolmentDone, Laptop
from nearproof.daemon.outcomes import SessionEnded
from nearproof.daemon.person import agrees
from nearproof.daemon.preflight import new_is_ready
from nearproof.daemon.provider import Provider, ProviderError
from nearproof.daemon.radio import open_central
from nearproof.qr.advice import AdviceReason
from nearproof.qr.payload import from_text
from nearproof.qr.scanner import Preview, ScanAdvice, Scanner, Sighting

SEED = 32
TYPED = "typed"  # the camera spec that means: the user types the text above the QR


async def activate(laptop: Laptop, code: str | None = None) -> None:
    """Enrol a laptop with a one-time activation code, which is asked for if need be.

    An account's very first laptop goes on at once; otherwise the waiting time is kept.
    """
    with laptop.home.locked():
        if (device := laptop.home.device()) is not None:
            _already(laptop, device)
            return
        backend = laptop.backend()
        enrolment = laptop.home.enrolment()
        if enrolment is None or enrolment.bundle:
            enrolment = _fresh(laptop)
            laptop.home.save_enrolment(enrolment)
        async with Provider(backend, DeviceKey.from_seed(enrolment.seed)) as provider:
            if not enrolment.id:
                code = code or await laptop.console.ask("activation_code")
                begun = await provider.activate(code, enrolment.label)
                enrolment = msgspec.structs.replace(enrolment, id=begun.id)
                laptop.home.save_enrolment(enrolment)
            await enrol(laptop, provider, enrolment)


async def copy(
    laptop: Laptop,
    *,
    user: str | None = None,
    proof: Path | None = None,
    photo: Path | None = None,
) -> None:
    """Get a copy of the authenticator of the laptop beside this one.

    Returns when this laptop is active; raises what `outcomes` explains otherwise.
    An enrolment that has its proof goes on where it stood.  `proof` is where
    the bundle is kept for `nearproof verify`, `photo` where the frame in which the QR was read
    is kept (it holds the QR's secret).
    """
    with laptop.home.locked():
        if (device := laptop.home.device()) is not None:
            _already(laptop, device)
            return
        laptop.backend()
        if proof is not None:
            files.probe(proof)
        enrolment = laptop.home.enrolment()
        if enrolment is None or not enrolment.bundle:

            def store(enrolment: Enrolment) -> None:
                laptop.home.save_enrolment(enrolment)
                _keep(enrolment, proof)

            await _prove(laptop, store, lambda kept: _hand_off(laptop, kept, user), photo)
            return
        if not enrolment.id:
            laptop.console.tell("proof_found", "19")
        _keep(enrolment, proof)
        await _hand_off(laptop, enrolment, user)


async def cancel(laptop: Laptop) -> None:
    """Give up the enrolment under way: its ceremony is cancelled, then its keys are dropped.

    Raises `AlreadyEnrolled`, `EnrolmentDone`, and what `Provider` does; then nothing is dropped.
    """
    with laptop.home.locked():
        if (device := laptop.home.device()) is not None:
            _already(laptop, device)
            return
        enrolment = laptop.home.enrolment()
        if enrolment is None:
            laptop.console.tell("nothing_to_give_up")
            return
        async with Provider(laptop.backend(), DeviceKey.from_seed(enrolment.seed)) as provider:
            if begun := await _begun(laptop, provider, enrolment):
                await provider.cancel(begun)
        laptop.home.save_enrolment(None)
        laptop.console.tell("given_up")


async def _begun(laptop: Laptop, provider: Provider, enrolment: Enrolment) -> str:
    """The backend's name of the enrolment, also where its answer was lost; "" for none to cancel.

    Raises `EnrolmentDone` where the key that is kept here has become an active one.
    """
    try:
        state = (await provider.device()).state
    except ProviderError as error:
        if error.code != ServiceCode.UNKNOWN_DEVICE:
            raise
        return ""
    if state is DeviceState.ACTIVE:
        raise EnrolmentDone
    if state is not DeviceState.ENROLLING:
        return ""
    if enrolment.id:
        return enrolment.id
    if enrolment.bundle:
        return (await provider.redeem(enrolment.bundle, enrolment.label)).id
    code = await laptop.console.ask("activation_code")
    return (await provider.activate(code, enrolment.label)).id


async def prove(laptop: Laptop) -> bytes:
    """The bundle of a proof that is for another program: nothing is kept here, nobody enrolled.

    Its key is dropped with the return, so that it proves what it says and cannot be redeemed.
    """
    bundles: list[bytes] = []

    async def enough(_kept: Enrolment) -> None:
        pass

    with laptop.home.locked():
        laptop.backend()
        await _prove(laptop, lambda kept: bundles.append(kept.bundle), enough)
    return bundles[0]


async def _prove(
    laptop: Laptop,
    store: Callable[[Enrolment], None],
    then: Callable[[Enrolment], Awaitable[None]],
    photo: Path | None = None,
) -> None:
    """Steps 13-19: see the QR, find OLD, show the code, `store` the proof; then `then`."""
    fresh = _fresh(laptop)
    central = open_central(laptop.settings.radio)
    try:
        qr = await _see(laptop, central, photo)
        session = NewSession(
            qr=qr,
            issuer_public=laptop.backend().issuer,
            device_key=DeviceKey.from_seed(fresh.seed),
            label=fresh.label,
            now=boottime(),
            randomness=os.urandom,
        )
        stored: list[Enrolment] = []

        def receive(bundle: bytes) -> None:
            stored.append(msgspec.structs.replace(fresh, bundle=bundle))
            store(stored[0])

        driver = NewDriver(session, central, lambda event: _hear(laptop, event), receive)
        try:
            if (end := await driver.prove()) is not None:
                raise SessionEnded(end)
            confirming = asyncio.create_task(driver.confirm())
            try:
                await then(stored[0])
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


async def _see(laptop: Laptop, central: Central, photo: Path | None) -> QrPayload:
    """Steps 13-19 up to the QR code: the tick, Bluetooth and camera, the scan."""
    front, camera = laptop.console, laptop.settings.camera
    async with contextlib.AsyncExitStack() as stack:
        scanner = None
        if camera != TYPED:  # it takes its time to start; the camera stays closed until the scan
            scanner = await stack.enter_async_context(
                Scanner(camera, preview=front.watches, photo=photo is not None)
            )
        front.tell("new_information", "13-15")
        if not await agrees(laptop, "qr_is_shown", "16", unasked=True):
            raise Declined
        await new_is_ready(laptop, "17-18")
        await central.open()
        front.tell("bluetooth_ready", "17-18")
        if scanner is None:
            return await _typed(laptop)
        front.tell("scanning", "19", camera=camera)
        return await _scan(laptop, scanner, photo)


async def _scan(laptop: Laptop, scanner: Scanner, photo: Path | None) -> QrPayload:
    """Step 19: look through the camera until one of our QR codes is seen."""
    refused: QrError | None = None
    front = laptop.console
    async for seen in scanner:
        match seen:
            case ScanAdvice():
                front.tell("advice", "19", reason=seen.reason)
                if seen.reason is AdviceReason.FOREIGN:
                    refused = QrError(QrReason.FOREIGN)
            case Sighting():
                try:
                    qr = from_text(seen.text)
                except QrError as error:
                    refused = error
                    front.tell("advice", "19", reason=error.reason)
                    continue
                if photo is not None and seen.photo is not None:
                    files.write_bytes(photo, seen.photo)
                front.tell(
                    "qr_scanned", "19", frame=seen.frame_no, decode_ms=round(seen.decode_ms, 1)
                )
                return qr
            case Preview():
                front.preview(seen.width, seen.height, seen.grey)
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
            tell("code", "19", code=event.code, seconds=CODE_TTL // SECOND)
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
    """Give the backend the proof, then go through its steps."""
    async with Provider(laptop.backend(), DeviceKey.from_seed(enrolment.seed)) as provider:
        if not enrolment.id:
            enrolment = await _redeem(laptop, provider, enrolment)
        await enrol(laptop, provider, enrolment, user)


async def _redeem(laptop: Laptop, provider: Provider, enrolment: Enrolment) -> Enrolment:
    """The enrolment that the backend has begun for the proof; a proof refused is dropped."""
    try:
        begun = await provider.redeem(enrolment.bundle, enrolment.label)
    except BaseException as error:
        if isinstance(error, ProviderError) and _is_final(error):
            laptop.home.save_enrolment(None)
        else:
            laptop.console.tell("proof_kept", "19")
        raise
    enrolment = msgspec.structs.replace(enrolment, id=begun.id)
    laptop.home.save_enrolment(enrolment)
    laptop.console.tell("accepted", "19")
    return enrolment


def _is_final(error: ProviderError) -> bool:
    """Whether no later try can help: the verifier refused."""
    return error.step is not None


def _already(laptop: Laptop, device: Device) -> None:
    """Say so, or finish a command that was cut off between the new key and the old file.

    Raises `AlreadyEnrolled`.
    """
    rest = laptop.home.enrolment()
    if rest is None or rest.seed != device.seed:
        raise AlreadyEnrolled
    laptop.home.save_enrolment(None)
    laptop.console.tell("activated", "26", account=device.account, label=device.label)


def _fresh(laptop: Laptop) -> Enrolment:
    """Keys for one enrolment, and nothing of a PIN."""
    seed, secret, salt = os.urandom(SEED), os.urandom(SECRET_SIZE), os.urandom(SALT_SIZE)
    return Enrolment(seed=seed, label=laptop.label(), bundle=b"", secret=secret, salt=salt)
