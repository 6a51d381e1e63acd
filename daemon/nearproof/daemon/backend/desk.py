"""Who asks, whether it has been asked before, and whether the PIN was right.

Order in every write: the device key (signature), the Idempotency-Key, then the rules and the
PIN, then the change, its audit row, events, SMS and the answer to remember, all in one commit.
A refusal that changes nothing is not remembered: the same question may be asked again later.
A key with another body is refused unevaluated, or each would be a free guess.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from nearproof.crypto.errors import ChallengeVoid, EncodingError, SealBroken
from nearproof.crypto.identity import DeviceKey, kid
from nearproof.crypto.messages import check_label
from nearproof.crypto.primitives import Randomness, hkdf
from nearproof.crypto.userkey import PinContext, verify_pin_proof
from nearproof.daemon.backend import pins, rules, wire
from nearproof.daemon.backend.exchange import Answer, Request, problem_answer
from nearproof.daemon.backend.facts import Ceremony, Device, Problem
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.records import Records
from nearproof.daemon.backend.signatures import (
    SignatureRefused,
    SignatureStale,
    Signed,
    SignerUnknown,
    verify,
)
from nearproof.daemon.backend.store import Store
from nearproof.daemon.backend.wire import DeviceState, EventKind, PinAction, ServiceCode

ID_SIZE = 16  # bytes of a ceremony's id and of a cti
KNOWN = 4096  # laptops whose keys a process remembers


@dataclass(frozen=True, slots=True)
class WrongPin:
    """The answer to a wrong PIN, which is remembered with what it has cost."""

    answer: Answer


class Desk:
    """The backend of one issuer on one store.  Thread-safe; every method blocks.

    Methods answer, or raise `Problem` or `VerificationError`.
    """

    def __init__(
        self, store: Store, issuer: DeviceKey, policy: BackendPolicy, randomness: Randomness
    ) -> None:
        self._store = store
        self._issuer = issuer
        self._policy = policy
        self._randomness = randomness
        # Keyed, because a plain hash of a request with a PIN proof could be tested against.
        self._fingerprints = hkdf(issuer.seed(), b"", b"nearproof backend fingerprints")
        self._codes = sms_key(issuer)
        # A laptop's key and account never change: who signs is seen without asking the database.
        self._known = lru_cache(KNOWN)(self._look_up)

    # -- who asks -----------------------------------------------------------------------------

    def _signed(self, request: Request) -> Signed:
        """The known laptop that signed the request, at whatever time."""
        return _verified(request, self._public_of)

    def _holder(self, request: Request, public: bytes) -> Signed:
        """The holder of `public`, if the request is signed with it."""
        name = kid(public).hex()
        return _verified(request, lambda asked: public if asked == name else None)

    def _asking(self, signed: Signed, records: Records) -> Device:
        """The laptop that signed just now, in whatever state it is."""
        _require_fresh(signed, records)
        device = records.device(kid(signed.public))
        assert device is not None  # noqa: S101 - devices are never deleted
        return device

    def _public_of(self, name: str) -> bytes | None:
        try:
            return self._known(bytes.fromhex(name))[0]
        except (ValueError, LookupError):
            return None

    def _look_up(self, name: bytes) -> tuple[bytes, str]:
        with self._store.read() as records:
            device = records.device(name)
        if device is None:
            raise LookupError
        return device.public, device.account

    # -- whether it has been asked before -------------------------------------------------------

    def _once_as_active(self, request: Request, act: Callable[[Records, Device], Answer]) -> Answer:
        """`_once_as_known` for a laptop that must be active when its change is made."""
        return self._once_as_known(
            request, lambda records, asking: act(records, rules.require_active(asking))
        )

    def _once_as_known(self, request: Request, act: Callable[[Records, Device], Answer]) -> Answer:
        """`_once` under the account of the laptop that asks, as it stands under the lock."""
        signed = self._signed(request)
        _, account = self._known(kid(signed.public))
        return self._once(
            request, signed, account, lambda records: act(records, self._asking(signed, records))
        )

    def _once(
        self,
        request: Request,
        signed: Signed,
        account: str | None,
        act: Callable[[Records], Answer],
    ) -> Answer:
        """Act in one transaction, unless this signer's Idempotency-Key has been answered."""
        name, key = kid(signed.public), request.idempotency_key()
        fingerprint = request.fingerprint(self._fingerprints)
        with self._store.write(account) as records:
            _require_fresh(signed, records)
            if earlier := records.answer(name, key):
                if earlier[0] != fingerprint:
                    raise Problem(
                        ServiceCode.IDEMPOTENCY_CONFLICT, "this key was used for another request"
                    )
                return earlier[1]
            answer = act(records)
            records.remember(name, key, fingerprint, answer)
            return answer

    # -- whether the PIN was right --------------------------------------------------------------

    def _check_pin(
        self,
        records: Records,
        device: Device,
        proof: bytes,
        action: PinAction,
        ceremony: bytes = b"",
    ) -> Device | WrongPin:
        """The laptop as it stands after a right PIN, or what a wrong one has cost.

        Raises `Problem` for what is no try: locked, no such challenge, not a proof at all.
        """
        pins.require_unlocked(device, records.now)
        challenge = records.challenge(device.kid, action, ceremony)
        if challenge is None:
            raise challenge_void()
        context = PinContext(challenge, action, ceremony, device.kid)
        try:
            verify_pin_proof(proof, device.user_public, context)
        except ChallengeVoid:
            raise challenge_void() from None
        except EncodingError:
            raise Problem(ServiceCode.MALFORMED, "not a PIN proof") from None
        except SealBroken:
            records.drop_challenge(device.kid, action)
            return self._wrong_pin(records, device)
        records.drop_challenge(device.kid, action)
        after = pins.right(device)
        records.save_device(after)
        return after

    def _wrong_pin(self, records: Records, device: Device) -> WrongPin:
        after = pins.wrong(device, records.now)
        records.log(device.account, "wrong_pin", device=device.kid, detail=str(after.wrong_pins))
        if after.state is DeviceState.DEAD:
            records.tell(device.account, EventKind.DEVICE_DEAD, label=device.label)
            records.retire(after)
        else:
            records.save_device(after)
            if after.locked_until:
                records.tell(device.account, EventKind.PIN_LOCKED, label=device.label)
        return WrongPin(problem_answer(pins.refusal(after, records.now)))


def challenge_void() -> Problem:
    """There is no such challenge: no PIN has been judged."""
    return Problem(ServiceCode.CHALLENGE, "unknown, used, or too old: ask for another")


def sms_key(issuer: DeviceKey) -> bytes:
    """The key that SMS codes are derived with: every worker has it, the database has not."""
    return hkdf(issuer.seed(), b"", b"nearproof backend sms codes")


def find_ceremony(records: Records, ceremony_id: str, asking: Device) -> Ceremony:
    """The ceremony, if it is of the asking laptop's account; to others it does not exist."""
    ceremony = records.ceremony(read_id(ceremony_id))
    if ceremony is None or ceremony.account != asking.account:
        raise Problem(ServiceCode.NOT_FOUND, "no such copy")
    return ceremony


def read_account(text: str) -> str:
    """The one form of a user ID; raises `Problem` (MALFORMED)."""
    try:
        return wire.account_name(text)
    except ValueError as error:
        raise Problem(ServiceCode.MALFORMED, str(error)) from None


def read_label(text: str) -> str:
    """A label that may be shown; raises `Problem` (MALFORMED)."""
    try:
        check_label(text)
    except EncodingError as error:
        raise Problem(ServiceCode.MALFORMED, str(error)) from None
    return text


def read_id(text: str) -> bytes:
    """16 bytes of lower-case hex; raises `Problem` (NOT_FOUND)."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != ID_SIZE or value.hex() != text:
        raise Problem(ServiceCode.NOT_FOUND, "not an id")
    return value


def _verified(request: Request, public_of: Callable[[str], bytes | None]) -> Signed:
    try:
        return verify(request.message, request.body, public_of)
    except SignerUnknown:
        raise Problem(ServiceCode.UNKNOWN_DEVICE, "this laptop is not enrolled here") from None
    except SignatureRefused:
        raise Problem(ServiceCode.SIGNATURE, "the request's signature does not hold") from None


def _require_fresh(signed: Signed, records: Records) -> None:
    try:
        signed.require_fresh(records.now // 1000)
    except SignatureStale as error:
        raise Problem(ServiceCode.SIGNATURE_TIME, str(error)) from None
