"""From the bundle to an active laptop: user ID, SMS code, PIN; and what each wrong try costs."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from backend.hands import Hands, code_of, read, refusal
from backend.world import pin_of
from nearproof.crypto.identity import DeviceKey
from nearproof.daemon.backend import wire
from nearproof.daemon.backend.outbox import Sms, SmsKind, SmsState
from nearproof.daemon.backend.wire import (
    CeremonyState,
    DeviceState,
    EventKind,
    PinAction,
    ServiceCode,
)


def sent(hands: Hands, account: str) -> list[Sms]:
    """The account's SMS, oldest first."""
    with hands.store.read() as records:
        return [sms for sms in reversed(records.sms(limit=1000)) if sms.account == account]


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def test_the_whole_ceremony(hands: Hands, name: str) -> None:
    """Started, proved, named, confirmed, active: every active laptop and the phone are told."""
    old = hands.enrolled(name)
    new, copy = hands.proved(old)
    assert hands.name(new, copy, name).state is CeremonyState.NAMED
    assert read(hands.code(new, copy), wire.Enrolment).state is CeremonyState.CONFIRMED
    done = read(hands.finish(new, copy), wire.Enrolment)
    assert (done.state, done.account) == (CeremonyState.DONE, name)
    device = hands.device(new)
    assert (device.state, device.slot) == (DeviceState.ACTIVE, 2)
    assert device.user_public == pin_of(new).public
    assert hands.heard(old) == [EventKind.COPY_STARTED, EventKind.ACTIVATED]
    assert hands.heard(new) == [EventKind.ACTIVATED]
    kinds = [sms.kind for sms in sent(hands, name)]
    assert kinds == [SmsKind.COPY_STARTED, SmsKind.CODE, SmsKind.ACTIVATED]


def test_it_takes_half_an_hour_at_most(hands: Hands, name: str) -> None:
    """From the bundle; then it is expired, its slot free, and the key worthless."""
    old = hands.enrolled(name)
    new, copy = hands.proved(old)
    hands.name(new, copy, name)
    hands.store.now += 1_800_001
    assert code_of(hands.code, new, copy) is ServiceCode.CEREMONY_OVER
    assert hands.started(old).live
    assert hands.device(new).state is DeviceState.ABANDONED
    assert hands.ceremony(copy).state is CeremonyState.EXPIRED


def test_a_wrong_user_id_gets_the_same_answer_and_no_sms(hands: Hands, name: str) -> None:
    """Byte for byte, but for the ceremony's own id; and so it goes on while codes are typed."""
    answers, began = [], hands.store.now
    for named in (name, "somebody-else"):
        hands.store.now = began
        old = hands.enrolled(f"{name}.{named}" if named != name else name, slot=1)
        new, copy = hands.proved(old)
        body = wire.Name(named)
        after = [
            hands.post("name", new, copy, body=body),
            hands.post("check_code", new, copy, body=wire.SmsCode(other_than(hands.sms(copy)))),
            hands.get("enrolment", new, copy),
        ]
        answers.append([a.body.replace(copy.encode(), b"id") for a in after])
        meant = [sms for sms in sent(hands, hands.ceremony(copy).account) if sms.code]
        assert [sms.state for sms in meant] == [
            SmsState.WAITING if named == name else SmsState.VOID
        ]
        hands.post("cancel", new, copy)
    assert answers[0] == answers[1]


def test_behind_a_wrong_user_id_every_code_is_wrong(hands: Hands, name: str) -> None:
    """Also the one that the right user would have been sent."""
    old = hands.enrolled(name)
    new, copy = hands.proved(old)
    hands.name(new, copy, "somebody-else")
    assert refusal(hands.code(new, copy)).code == ServiceCode.WRONG_SMS_CODE
    hands.name(new, copy, name)
    assert hands.code(new, copy).status == 200


def test_three_user_ids(hands: Hands, name: str) -> None:
    """The same one again is no other try; a fourth is refused, right or wrong."""
    new, copy = hands.proved(hands.enrolled(name))
    for named in ("one", "one", "two", "two", "three"):
        left = hands.name(new, copy, named).names_left
    assert left == 0
    for named in ("four", name):
        assert code_of(hands.post, "name", new, copy, body=wire.Name(named)) is (
            ServiceCode.NAMES_USED_UP
        )
    assert hands.ceremony(copy).open


def test_three_wrong_tries_void_a_code_and_nine_end_it(hands: Hands, name: str) -> None:
    """Three codes of three tries; a resend in between never gives one back."""
    old = hands.enrolled(name)
    new, copy = hands.proved(old)
    hands.name(new, copy, name)
    codes = set()
    for number in range(1, 4):
        codes.add(hands.sms(copy))
        for left in (2, 1, 0):
            problem = refusal(hands.code(new, copy, other_than(hands.sms(copy))))
            assert (problem.code, problem.tries_left) == (ServiceCode.WRONG_SMS_CODE, left)
            if left == 1:
                hands.store.now += 30_000
                assert read(hands.post("send_code", new, copy), wire.Enrolment).tries_left == 1
        if number < 3:
            assert code_of(hands.code, new, copy) is ServiceCode.CODE_VOID
            hands.post("send_code", new, copy)
    assert len(codes) == 3
    assert hands.ceremony(copy).state is CeremonyState.REFUSED
    assert code_of(hands.code, new, copy) is ServiceCode.CEREMONY_OVER
    assert hands.heard(old)[-1] is EventKind.REFUSED
    assert hands.started(old).live


def test_a_resend_is_the_same_code_and_not_too_soon(hands: Hands, name: str) -> None:
    """30 s apart; the code is the same, its time is not."""
    new, copy = hands.proved(hands.enrolled(name))
    hands.name(new, copy, name)
    code = hands.sms(copy)
    hands.store.now += 29_999
    assert code_of(hands.post, "send_code", new, copy) is ServiceCode.WAITING
    hands.store.now += 1
    assert hands.post("send_code", new, copy).status == 200
    assert hands.sms(copy) == code
    assert [sms.code for sms in sent(hands, name) if sms.kind is SmsKind.CODE] == [1, 1]


def test_a_code_lasts_ten_minutes(hands: Hands, name: str) -> None:
    """Then it is void, which costs no try; three codes are all there are."""
    new, copy = hands.proved(hands.enrolled(name))
    hands.name(new, copy, name)
    for number in (1, 2, 3):
        hands.store.now += 600_001 if number < 3 else 599_000
        if number < 3:
            assert code_of(hands.code, new, copy) is ServiceCode.CODE_VOID
            hands.post("send_code", new, copy)
    assert hands.ceremony(copy).wrong_codes == 0
    assert hands.ceremony(copy).code == 3


def test_no_fourth_code(hands: Hands, name: str) -> None:
    """However the three were used."""
    hands.policy = replace(hands.policy, code_lifetime=60)
    hands.service._policy = hands.policy
    new, copy = hands.proved(hands.enrolled(name))
    hands.name(new, copy, "one")
    hands.name(new, copy, "two")
    hands.store.now += 61_000
    hands.post("send_code", new, copy)
    hands.store.now += 61_000
    assert code_of(hands.post, "send_code", new, copy) is ServiceCode.CODES_USED_UP


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef"])
def test_a_malformed_code_is_no_try(hands: Hands, name: str, typed: str) -> None:
    """Nor is one that is typed with spaces a wrong one."""
    new, copy = hands.proved(hands.enrolled(name))
    hands.name(new, copy, name)
    assert code_of(hands.code, new, copy, typed) is ServiceCode.MALFORMED
    assert hands.ceremony(copy).wrong_codes == 0
    code = hands.sms(copy)
    assert hands.code(new, copy, f"{code[:3]} {code[3:]}").status == 200


def test_no_step_can_be_skipped(hands: Hands, name: str) -> None:
    """Out of turn, and for any laptop but the one that is enrolled."""
    old = hands.enrolled(name)
    new, copy = hands.proved(old)
    assert code_of(hands.code, new, copy, "123456") is ServiceCode.OUT_OF_TURN
    assert code_of(hands.finish, new, copy) is ServiceCode.OUT_OF_TURN
    assert code_of(hands.post, "name", old, copy, body=wire.Name(name)) is ServiceCode.NOT_ITS_NEW
    hands.name(new, copy, name)
    assert code_of(hands.finish, new, copy) is ServiceCode.OUT_OF_TURN
    hands.code(new, copy)
    assert code_of(hands.code, new, copy) is ServiceCode.OUT_OF_TURN
    assert code_of(hands.start, new, None) is ServiceCode.UNKNOWN_DEVICE


def test_a_user_key_must_be_one_that_its_holder_has(hands: Hands, name: str) -> None:
    """Neither the device key, nor somebody else's, nor an unusable one."""
    new, copy = hands.proved(hands.enrolled(name))
    hands.name(new, copy, name)
    hands.code(new, copy)
    for public in (new.public, bytes(32), pin_of(hands.key()).public):
        body = wire.NewPin(public, hands.proof(new, PinAction.SET, copy))
        assert code_of(hands.post, "finish", new, copy, body=body) is ServiceCode.MALFORMED
    assert hands.finish(new, copy).status == 200


@pytest.mark.parametrize("moment", ["live", "proved", "named", "confirmed"])
@pytest.mark.parametrize("how", ["cancel", "revoke"])
def test_until_it_is_active_it_can_be_stopped(
    hands: Hands, name: str, moment: str, how: str
) -> None:
    """By cancelling, or by revoking the old laptop; the slot is free, and nothing goes on."""
    old, other = hands.enrolled(name), hands.enrolled(name, "other", slot=2)
    new, copy = reach(hands, old, name, moment)
    if how == "cancel":
        hands.post("cancel", other, copy)
    else:
        hands.post("revoke", other, old.kid.hex())
    assert hands.ceremony(copy).state is CeremonyState.CANCELLED
    assert EventKind.CANCELLED in hands.heard(other)
    if moment != "live":
        assert hands.device(new).state is DeviceState.ABANDONED
        assert code_of(hands.finish, new, copy) is ServiceCode.CEREMONY_OVER
    assert hands.started(other).live


def reach(hands: Hands, old: DeviceKey, name: str, moment: str) -> tuple[DeviceKey, str]:
    """A copy at this moment, and its new laptop if it has one."""
    if moment == "live":
        return old, hands.started(old).id
    new, copy = hands.proved(old)
    if moment != "proved":
        hands.name(new, copy, name)
    if moment == "confirmed":
        hands.code(new, copy)
    assert hands.ceremony(copy).state == moment
    return new, copy


def test_once_active_it_can_only_be_revoked(hands: Hands, name: str) -> None:
    """CEREMONY_OVER, which says so."""
    old = hands.enrolled(name)
    new, copy = hands.proved(old)
    hands.name(new, copy, name)
    hands.code(new, copy)
    hands.finish(new, copy)
    assert code_of(hands.post, "cancel", old, copy) is ServiceCode.CEREMONY_OVER
    hands.post("revoke", old, new.kid.hex())
    assert hands.device(new).state is DeviceState.REVOKED


def activate(hands: Hands, key: DeviceKey, code: str) -> wire.Enrolment:
    body = wire.Activation(code, key.public, "invited")
    return read(hands.post("activate", key, body=body), wire.Enrolment)


def test_the_first_laptop_by_invite(hands: Hands, name: str) -> None:
    """No wait and no user ID: SMS code, PIN, active; and it may copy at once."""
    hands.account(name)
    key = hands.key()
    begun = activate(hands, key, hands.invite(name))
    assert (begun.state, begun.waits) == (CeremonyState.LIVE, 0)
    assert code_of(hands.post, "name", key, begun.id, body=wire.Name(name)) is (
        ServiceCode.OUT_OF_TURN
    )
    assert read(hands.post("send_code", key, begun.id), wire.Enrolment).codes_left == 2
    hands.code(key, begun.id)
    assert read(hands.finish(key, begun.id), wire.Enrolment).account == name
    assert hands.started(key).live


def test_an_invite_beside_active_laptops_waits_and_tells_them(hands: Hands, name: str) -> None:
    """The hour of a copy; any of them can cancel."""
    old, key = hands.enrolled(name), hands.key()
    begun = activate(hands, key, hands.invite(name))
    assert begun.waits == 3600
    assert hands.heard(old) == [EventKind.ACTIVATION_STARTED]
    assert code_of(hands.post, "send_code", key, begun.id) is ServiceCode.WAITING
    assert code_of(hands.start, old) is ServiceCode.CEREMONY_RUNNING
    hands.store.now += 3_600_000
    hands.post("send_code", key, begun.id)
    hands.code(key, begun.id)
    hands.post("cancel", old, begun.id)
    assert code_of(hands.finish, key, begun.id) is ServiceCode.CEREMONY_OVER


def test_a_retried_activation_is_the_same_one(hands: Hands, name: str) -> None:
    """The answer was lost: the same request gets it, and the invite is used once."""
    hands.account(name)
    key, code = hands.key(), hands.invite(name)
    body = msgspec.json.encode(wire.Activation(code, key.public, "invited"))
    request = hands.request(key, "POST", "/v1/activations", body, "the-same-key")
    assert hands.service.activate(request) == hands.service.activate(request)
