"""Every sentence of the ceremony that a person reads, in English, by the event that tells it.

The Danish stands in the catalogue (`locale/README.md` says how).
"""

from __future__ import annotations

from typing import Any, Final

from nearproof.daemon.locale import Counted, Language, Sentence, filled

_NEVER: Final = "Never type a code that somebody reads to you over the phone."

# An empty text is for programs alone.
TEXTS: dict[str, Sentence] = {
    # OLD
    "copy_ordered": Counted(
        "Copying is ordered, with one QR code to use. As a safety measure there is a waiting time "
        "first.",
        "Copying is ordered, with {grants_left} QR codes to use. As a safety measure there is a "
        "waiting time first.",
        by="grants_left",
    ),
    "waiting": (
        "Waiting time: {duration} left. You may close this; run the same command again later."
    ),
    "wait_over": "The waiting time is over.",
    "backend_away": "The backend cannot be reached just now ({detail}); still waiting.",
    "grant_issued": "",
    "bluetooth_ready": "Bluetooth is ready.",
    "qr_shown": "",
    "terminal_too_small": (
        "This terminal is too small for the QR code: {columns} x {rows} are needed. Make it larger "
        "and run this again, or use --show window or --show png:FILE."
    ),
    "qr_next": (
        "Scan this QR code with the new laptop. It is valid for {duration}. "
        "Do not send it to anybody."
    ),
    "bound": "A laptop nearby has scanned the QR code.",
    "code_wanted": (
        "It calls itself “{label}”. Type the code that your new laptop shows, "
        f"only if it stands in front of you. {_NEVER}"
    ),
    "code_malformed": "The code is six digits, such as 123 456. That was not counted as a try.",
    "round": "",
    "proof_made": "The code is right: handing over the proof.",
    "delivered": "Done: the new laptop has the proof. Go on there. This one stays active.",
    "other_device_seen": "Another device also has your QR code. It got nothing.",
    "report_failed": "Your account could not be told of this ({detail}).",
    # NEW
    "activated": "“{label}” is now active for {account}.",
    "scanning": "Hold the QR code of your old laptop in front of the camera ({camera}).",
    "advice": "{advice}",
    "qr_scanned": "QR code read. Looking for the old laptop nearby.",
    "old_answered": "Found the old laptop.",
    "code": "Type this code on the old laptop:  {spaced}",
    "code_hidden": "That code no longer counts.",
    "proof_received": "Proof received and checked.",
    "acknowledged": "",
    "unconfirmed": "The old laptop could not be told that the proof is here; it may say so.",
    "proof_found": "A proof from an earlier scan is kept here: handing that in.",
    "proof_kept": (
        "The proof is kept: run the same command again to hand it in, within ten minutes of the "
        "QR code."
    ),
    "accepted": "The proof has been accepted.",
    "wrong_pin": Counted(
        "Wrong PIN: one try left before it is locked.",
        "Wrong PIN: {tries_left} tries left before it is locked.",
        by="tries_left",
    ),
    "pin_malformed": "A PIN has six digits.",
    "pin_too_easy": "That PIN is one of those that others would try first: choose another.",
    "pins_differ": "The two are not the same: start over.",
    # the steps around the proof
    "copy_found": "A copy that was ordered here is under way: going on with it.",
    "fit": (
        "This laptop is ready for a copy: its version is known, Bluetooth works, and {active} of "
        "at most {devices} laptops are active."
    ),
    "copy_information": (
        "You are about to copy your authenticator to another laptop. Both laptops need Bluetooth, "
        "and stand side by side. As a safety measure you wait {duration} first; all your laptops "
        "and your phone are told, and any of them can cancel. This laptop stays active."
    ),
    "new_information": (
        "This laptop gets a copy from your old one: run `nearproof old copy` there, and come back "
        "when it shows the QR code."
    ),
    "unfit": "{check}: {problem}. To mend it:  {fix}",
    "slot_taken": (
        "Active since {since}: “{label}”. To revoke it:  nearproof devices revoke {kid}"
    ),
    "user_malformed": "A user ID has 1 to 64 letters, digits, or - _ . @ +.",
    "user_named": "User ID: {account}. If it is not that of the old laptop, no SMS will come.",
    "sms_sent": (
        "A temporary code is sent by SMS to the account's phone; it is valid for {duration}. An "
        "empty line sends it again, “id” names another user ID."
    ),
    "sms_code_right": "The code is right.",
    "sms_code_malformed": "The code is six digits. That was not counted as a try.",
    "sms_code_wrong": Counted(
        "Wrong code. You have one more try with this one.",
        "Wrong code. You have {tries_left} more tries with this one.",
        by="tries_left",
    ),
    "sms_code_void": "That code no longer counts: another one is sent.",
    "sms_too_soon": "The code was sent a moment ago. It can be sent again in {duration}.",
    "pin_set": "Your PIN is set.",
    "no_reader": "No fingerprint reader here knows your finger: your PIN is enough.",
    "no_finger": "{why}",
    "finger_known": "Your finger is recognised.",
    "fingerprint_chosen": "",
    "notifications_chosen": "",
    "fingerprint_on": "Your fingerprint may stand for your PIN when you order a copy here.",
    "fingerprint_off": "Only your PIN orders a copy here.",
    "notifications_on": "The desktop shows what happens to your account.",
    "notifications_off": "The desktop does not show what happens to your account.",
    # both
    "refused": "A message over Bluetooth was refused ({reason}); going on.",
    "proof_holds": "The proof holds: these two laptops completed the exchange over Bluetooth.",
    "expiry_not_judged": "Whether it had expired was not judged: give --at TIME for that.",
    "backend_ready": (
        "Serving at {url}; the waiting time is {wait} s. Run this once on each laptop:"
    ),
    "invited": "Activation code for {account}, valid for {duration}, usable once:",
    "phone_changed": "The phone number of {account} is changed; it counts after 120 hours.",
    "cancelled": "Cancelled for {account}.",
    "nothing_to_cancel": "Nothing is being copied for {account}.",
    "given_up": "Given up: nothing is under way on this laptop any more, and its keys are dropped.",
    "nothing_to_give_up": "Nothing is under way on this laptop.",
    "sms": "",
    "outbox_line": "{when}  {account}: {what}: {how}",
    "outbox_copy_started": "a copy has begun",
    "outbox_activation_started": "an activation has begun",
    "outbox_code": "a code",
    "outbox_activated": "a laptop is active",
    "outbox_waiting": "waits to be handed over",
    "outbox_sent": "handed over",
    "outbox_void": "no longer to be sent",
    "no_sms": "There is no SMS yet.",
    "audit_holds": "The audit chains hold. Accounts: {accounts}; entries: {entries}.",
    "check_held": "ok    {rule}",
    "check_broken": "FAIL  {rule} Instead: {why}.",
    "check_left_out": "-     {rule} Not tried: {why}.",
    "conforms": "The backend does what the contract says. Checks: {checks}.",
    "conformance_waits": (
        "Its waiting time is {duration}: the suite waits that long for each copy. Set a shorter "
        "one for the test."
    ),
    "policy": (
        "Limits of the ceremony; times in seconds. Keep this as policy.toml in the backend's "
        "folder, or give it to --policy."
    ),
    "limit_wait": "from ordering a copy to its first QR code",
    "limit_lifetime": "from the end of the wait to the end of the ceremony",
    "limit_enrolment": "from the proof, or an activation's first SMS, to an active laptop",
    "limit_grants": "QR codes a ceremony",
    "limit_names": "user IDs that may be tried a ceremony",
    "limit_codes": "SMS codes a ceremony",
    "limit_code_tries": "wrong tries that void an SMS code",
    "limit_code_lifetime": "how long an SMS code is valid",
    "limit_resend_after": "before the same SMS may be sent again",
    "limit_starts_a_day": "copies that one laptop may order a day",
    "limit_newcomer": "a new laptop may not yet copy, revoke or cancel others",
    "limit_phone_settles": "a changed phone number does not count before",
    "limit_pin_fresh": "another QR code needs no new PIN",
    "limit_challenge_lifetime": "how long a PIN may take to be typed",
    "limit_rounds": "round trips that OLD measures, as evidence alone",
    "limit_invite_lifetime": "how long an activation code is valid",
    "revoked": "Revoked {device}.",
    "joined": "Joined {url}.",
    "settings": "{file}, with the defaults of what it does not say:",
    # who this laptop is, and what comes next
    "status": "",
    "status_unjoined": "This laptop has not joined a backend.",
    "status_new": "“{label}” has joined {backend} and is not activated.",
    "status_enrolling": "“{label}” is being enrolled at {backend}.",
    "status_unknown": (
        "“{label}” belongs to {account} at {backend}; whether it is active cannot be told now."
    ),
    "status_active": "“{label}” is active for {account} at {backend}.",
    "status_revoked": "“{label}” has been revoked: it can no longer act for {account}.",
    "status_dead": "“{label}” is blocked for good after wrong PINs; it belonged to {account}.",
    "daemon_runs": "The daemon runs: it waits, and tells the desktop what happens.",
    "daemon_off": "No daemon runs. It would tell you what happens: nearproof daemon install",
    "copy_here": Counted(
        "A copy that was ordered here is under way, with one QR code to use.",
        "A copy that was ordered here is under way, with {grants_left} QR codes to use.",
        by="grants_left",
    ),
    "copy_elsewhere": "A copy that was ordered on another laptop is under way.",
    "copy_proved": "“{new_label}” has the proof and is being activated.",
    "no_copy": "Nothing is being copied.",
    "next_join": "Next: nearproof join LINE, with the line of your backend.",
    "next_start": (
        "Next: nearproof new copy, or nearproof new activate for an account's first laptop."
    ),
    "next_go_on_copy": "Next: nearproof new copy",
    "next_go_on_activate": "Next: nearproof new activate",
    "next_wait_activate": "Next: {duration} left to wait, then nearproof new activate goes on.",
    "next_backend": "Next: try again when the backend can be reached.",
    "next_other_laptop": "Next: copy from another active laptop of the account.",
    "next_nothing": "Ready to use. To copy to another laptop: nearproof old copy",
    "next_on_new": "Next: go on at the new laptop.",
    "next_watch": "If that is not you: nearproof old cancel",
    "next_wait": "Next: {duration} left to wait, then nearproof old copy shows the QR code.",
    "next_show": "Next: nearproof old copy shows the QR code.",
    # the account's laptops
    "device": "{kid}  {since}  {label}",
    "device_here": "{kid}  {since}  {label}  (this one)",
    # the daemon
    "daemon_ready": "Serving this laptop at {socket}.",
    "unit_written": "Wrote {unit}. Start it now and at every login:",
    # questions
    "ask_code": "Code from the new laptop:",
    "ask_qr_text": "Text that stands with the QR code:",
    "ask_pin": "PIN:",
    "ask_new_pin": "Choose a PIN of six digits:",
    "ask_new_pin_again": "The same PIN again:",
    "ask_sms_code": "Temporary code from the SMS:",
    "ask_user": "User ID:",
    "ask_revoke": "Revoke “{label}” for good? (yes/no):",
    "ask_new_account": "User ID of a new account without laptops:",
    "ask_sms_code_of": "Newest SMS code of {account}:",
    "ask_activation_code": "Activation code:",
    "ask_start": "Get started? (yes/no):",
    "ask_consent": "Yes, I want to copy: start copying? (yes/no):",
    "ask_qr_is_shown": "Is the QR code shown on the old laptop? (yes/no):",
    "ask_power_on": "Bluetooth is switched off. Switch it on? (yes/no):",
    "ask_fingerprint": (
        "May your fingerprint stand for your PIN when you order a copy here? (yes/no):"
    ),
    "ask_notifications": "Accept notifications of what happens to your account? (yes/no):",
    # advice of the scanner and refusals of a QR, by reason
    "advice_dark": "Too dark: turn up the light or the screen.",
    "advice_blurred": "Blurred: hold still.",
    "advice_too_small": "Move closer.",
    "advice_foreign": "That is another kind of QR code.",
    "advice_damaged": "That QR code is incomplete: scan the one on the old laptop's screen.",
    "advice_unknown_version": (
        "That QR code is of another version: update nearproof on both laptops."
    ),
    "advice_other_role": (
        "That is one of our codes, but not for scanning here: run `nearproof old copy` on the "
        "old laptop."
    ),
    "advice_no_camera": "No camera found yet.",
    "advice_busy": "The camera is in use by another program.",
    "advice_permission": "The camera may not be opened.",
    "advice_gone": "The camera is gone.",
    "advice_clear": "That is better.",
    "advice_unconfined": "The QR reader runs without its sandbox: install libseccomp2.",
    "advice_no_zbar": "The second QR reader is missing: install libzbar0.",
    "advice_expired": "That QR code has expired.",
    "advice_worker_restarted": "A picture could not be read; going on.",
    # the fingerprint reader, and what could not be seen of the screen
    "finger_touch": "Place your finger on the fingerprint reader.",
    "finger_swipe": "Swipe your finger across the fingerprint reader.",
    "finger_again": "That could not be read: try again.",
    "finger_too_short": "That was too short: try again.",
    "finger_not_centered": "Your finger was not centered: try again.",
    "finger_lift": "Lift your finger and try again.",
    "finger_no_match": "That is not an enrolled finger.",
    "screen_no_pipewire": (
        "Whether this screen is shared cannot be told: install pipewire-bin (pw-dump)."
    ),
    "screen_x11": "On X11 every program can read the screen: make sure that nobody else sees it.",
}


_UNITS: Final = (
    (3600, Counted("{count} hour", "{count} hours", "count")),
    (60, Counted("{count} minute", "{count} minutes", "count")),
    (1, Counted("{count} second", "{count} seconds", "count")),
)


def text(key: str, language: Language, **fields: Any) -> str:
    """The sentence for `key`, filled in; "" where programs alone are told."""
    sentence = TEXTS[key]
    if not sentence:
        return ""
    if "seconds" in fields:
        fields["duration"] = duration(fields["seconds"], language)
    if "code" in fields:
        fields["spaced"] = f"{fields['code'][:3]} {fields['code'][3:]}"
    if key == "advice":
        fields["advice"] = text(f"advice_{fields['reason']}", language)
    return filled(sentence, language, **fields)


def duration(seconds: float, language: Language) -> str:
    """A span of time in words."""
    rest = max(round(seconds), 0)
    for size, words in _UNITS:
        if rest >= size and (rest % size == 0 or rest >= 3 * size):
            return filled(words, language, count=round(rest / size))
    return filled(_UNITS[-1][1], language, count=rest)
