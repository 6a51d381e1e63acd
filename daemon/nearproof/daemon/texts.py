"""Every sentence that a person reads, in English and in Danish.

The Danish follows the words of the source page.  `text(key, language, **fields)` fills one in.
"""

from __future__ import annotations

from typing import Any, Literal

Language = Literal["en", "da"]

NEVER = {
    "en": "Never type a code that somebody reads to you over the phone.",
    "da": "Indtast aldrig en kode, som nogen læser op for dig i telefonen.",
}

# key: (English, Danish); an empty text is for programs alone.
TEXTS: dict[str, tuple[str, str]] = {
    # OLD
    "copy_ordered": (
        "Copying is ordered, with {grants_left} QR codes to use. As a safety measure there is a "
        "waiting time first.",
        "Kopieringen er bestilt, med {grants_left} QR-koder. Som et sikkerhedstiltag skal du vente "
        "først.",
    ),
    "waiting": (
        "Waiting time: {duration} left. You may close this; run the same command again later.",
        "Ventetid: {duration} tilbage. Du kan lukke imens; kør samme kommando igen bagefter.",
    ),
    "wait_over": ("The waiting time is over.", "Ventetiden er slut."),
    "backend_away": (
        "The backend cannot be reached just now ({detail}); still waiting.",
        "Serveren kan ikke nås lige nu ({detail}); venter stadig.",
    ),
    "grant_issued": ("", ""),
    "bluetooth_ready": ("Bluetooth is ready.", "Bluetooth er klar."),
    "qr_shown": ("", ""),
    "terminal_too_small": (
        "This terminal is too small for the QR code: {columns} x {rows} are needed. Make it larger "
        "and run this again, or use --show window or --show png:FILE.",
        "Terminalen er for lille til QR-koden: der kræves {columns} x {rows}. Gør den større, og "
        "kør igen, eller brug --show window eller --show png:FIL.",
    ),
    "qr_next": (
        "Scan this QR code with the new laptop. It is valid for {duration}. "
        "Do not send it to anybody.",
        "Scan QR-koden med din nye bærbare. Den er gyldig i {duration}. Send den ikke til nogen.",
    ),
    "bound": (
        "A laptop nearby has scanned the QR code.",
        "En bærbar i nærheden har scannet QR-koden.",
    ),
    "code_wanted": (
        "It calls itself “{label}”. Type the code that your new laptop shows, "
        f"only if it stands in front of you. {NEVER['en']}",
        "Den kalder sig “{label}”. Indtast koden fra din nye bærbare, "
        f"kun hvis den står foran dig. {NEVER['da']}",
    ),
    "code_malformed": (
        "The code is six digits, such as 123 456. That was not counted as a try.",
        "Koden er seks cifre, fx 123 456. Det talte ikke som et forsøg.",
    ),
    "round": ("", ""),
    "proof_made": (
        "The code is right: handing over the proof.",
        "Koden er rigtig: beviset overdrages.",
    ),
    "delivered": (
        "Done: the new laptop has the proof. Go on there. This one stays active.",
        "Færdig: den nye bærbare har beviset. Fortsæt på den. Denne er stadig aktiv.",
    ),
    "no_copy_here": (
        "No copy that was ordered here is under way.",
        "Her er ingen bestilt kopiering i gang.",
    ),
    "other_device_seen": (
        "Another device also has your QR code. It got nothing.",
        "En anden enhed har også din QR-kode. Den fik intet.",
    ),
    "report_failed": (
        "Your account could not be told of this ({detail}).",
        "Din konto kunne ikke få besked om dette ({detail}).",
    ),
    # NEW
    "activated": (
        "“{label}” is now active for {account}.",
        "“{label}” er nu aktiv for {account}.",
    ),
    "scanning": (
        "Hold the QR code of your old laptop in front of the camera ({camera}).",
        "Hold QR-koden fra din gamle bærbare op foran kameraet ({camera}).",
    ),
    "advice": ("{advice}", "{advice}"),
    "qr_scanned": (
        "QR code read. Looking for the old laptop nearby.",
        "QR-koden er læst. Leder efter den gamle bærbare i nærheden.",
    ),
    "old_answered": ("Found the old laptop.", "Den gamle bærbare er fundet."),
    "code": (
        "Type this code on the old laptop:  {spaced}",
        "Indtast denne kode på den gamle bærbare:  {spaced}",
    ),
    "code_hidden": ("That code no longer counts.", "Koden gælder ikke længere."),
    "proof_received": ("Proof received and checked.", "Beviset er modtaget og kontrolleret."),
    "acknowledged": ("", ""),
    "unconfirmed": (
        "The old laptop could not be told that the proof is here; it may say so.",
        "Den gamle bærbare fik ikke besked om, at beviset er her; den siger det måske.",
    ),
    "proof_found": (
        "A proof from an earlier scan is kept here: handing that in.",
        "Her ligger et bevis fra en tidligere scanning: det afleveres nu.",
    ),
    "proof_kept": (
        "The proof is kept: run the same command again to hand it in, within ten minutes of the "
        "QR code.",
        "Beviset er gemt: kør samme kommando igen for at aflevere det, inden ti minutter efter "
        "QR-koden.",
    ),
    "accepted": ("The proof has been accepted.", "Beviset er godkendt."),
    "sms_sent": (
        "A temporary code has been sent by SMS to the account's phone.",
        "En midlertidig kode er sendt på SMS til kontoens telefon.",
    ),
    "sms_code_refused": (
        "That code was not taken ({reason}). An empty line sends it again.",
        "Koden blev ikke godtaget ({reason}). En tom linje sender den igen.",
    ),
    "wrong_pin": (
        "Wrong PIN: {tries_left} tries left before it is locked.",
        "Forkert PIN-kode: {tries_left} forsøg, før den spærres.",
    ),
    "pin_malformed": ("A PIN has six digits.", "En PIN-kode har seks cifre."),
    "pin_too_easy": (
        "That PIN is one of those that others would try first: choose another.",
        "Den PIN-kode er for nem at gætte: vælg en anden.",
    ),
    "pins_differ": ("The two are not the same: start over.", "De to er ikke ens: start forfra."),
    # both
    "refused": (
        "A message over Bluetooth was refused ({reason}); going on.",
        "En besked over Bluetooth blev afvist ({reason}); fortsætter.",
    ),
    "proof_holds": (
        "The proof holds: these two laptops completed the exchange over Bluetooth.",
        "Beviset holder: de to bærbare har gennemført udvekslingen over Bluetooth.",
    ),
    "expiry_not_judged": (
        "Whether it had expired was not judged: give --at TIME for that.",
        "Om det var udløbet, er ikke bedømt: angiv --at TIDSPUNKT.",
    ),
    "backend_ready": (
        "Serving at {url}; the waiting time is {wait} s. Run this once on each laptop:",
        "Kører på {url}; ventetiden er {wait} s. Kør dette én gang på hver bærbar:",
    ),
    "invited": (
        "Activation code for {account}, valid for {duration}, usable once:",
        "Aktiveringskode til {account}, gyldig i {duration}, kan bruges én gang:",
    ),
    "phone_changed": (
        "The phone number of {account} is changed; it counts after 120 hours.",
        "Telefonnummeret for {account} er ændret; det gælder efter 120 timer.",
    ),
    "cancelled": ("Cancelled for {account}.", "Annulleret for {account}."),
    "nothing_to_cancel": (
        "Nothing is being copied for {account}.",
        "Der bliver ikke kopieret noget for {account}.",
    ),
    "sms": ("{id}  {account}  {kind}  {state}", "{id}  {account}  {kind}  {state}"),
    "audit_holds": (
        "The audit chains of {accounts} accounts hold: {entries} entries.",
        "Revisionskæderne for {accounts} konti holder: {entries} poster.",
    ),
    "policy": (
        "Limits of the ceremony; times in seconds. Keep this as policy.toml in the backend's "
        "folder, or give it to --policy.",
        "Grænser for forløbet; tider i sekunder. Gem det som policy.toml i serverens mappe, "
        "eller angiv det med --policy.",
    ),
    "limit_wait": (
        "from ordering a copy to its first QR code",
        "fra en kopiering bestilles, til dens første QR-kode",
    ),
    "limit_lifetime": (
        "from the end of the wait to the end of the ceremony",
        "fra ventetidens slutning til forløbets slutning",
    ),
    "limit_enrolment": (
        "from the proof, or an activation's first SMS, to an active laptop",
        "fra beviset, eller en aktiverings første SMS, til en aktiv bærbar",
    ),
    "limit_grants": ("QR codes a ceremony", "QR-koder pr. forløb"),
    "limit_names": ("user IDs that may be tried a ceremony", "bruger-ID'er pr. forløb"),
    "limit_codes": ("SMS codes a ceremony", "SMS-koder pr. forløb"),
    "limit_code_tries": (
        "wrong tries that void an SMS code",
        "forkerte forsøg, før en SMS-kode er ugyldig",
    ),
    "limit_code_lifetime": ("how long an SMS code is valid", "hvor længe en SMS-kode gælder"),
    "limit_resend_after": (
        "before the same SMS may be sent again",
        "før samme SMS kan sendes igen",
    ),
    "limit_starts_a_day": (
        "copies that one laptop may order a day",
        "kopieringer, som én bærbar kan bestille i døgnet",
    ),
    "limit_newcomer": (
        "a new laptop may not yet copy, revoke or cancel others",
        "en ny bærbar kan endnu ikke kopiere, spærre eller annullere for andre",
    ),
    "limit_phone_settles": (
        "a changed phone number does not count before",
        "et nyt telefonnummer gælder først derefter",
    ),
    "limit_pin_fresh": (
        "another QR code needs no new PIN",
        "endnu en QR-kode kræver ingen ny PIN-kode",
    ),
    "limit_challenge_lifetime": (
        "how long a PIN may take to be typed",
        "hvor lang tid en PIN-kode må tage at indtaste",
    ),
    "limit_rounds": (
        "round trips that OLD measures, as evidence alone",
        "svartider, som den gamle bærbare måler, kun som vidnesbyrd",
    ),
    "limit_invite_lifetime": (
        "how long an activation code is valid",
        "hvor længe en aktiveringskode gælder",
    ),
    "revoked": ("Revoked {device}.", "{device} er spærret."),
    "joined": ("Joined {url}.", "Tilsluttet {url}."),
    # questions
    "ask_code": ("Code from the new laptop:", "Kode fra den nye bærbare:"),
    "ask_qr_text": ("Text above the QR code:", "Teksten over QR-koden:"),
    "ask_consent": ("Do you want to copy? (yes/no):", "Vil du kopiere? (ja/nej):"),
    "ask_pin": ("PIN:", "PIN-kode:"),
    "ask_new_pin": ("Choose a PIN of six digits:", "Vælg en PIN-kode på seks cifre:"),
    "ask_new_pin_again": ("The same PIN again:", "Gentag PIN-koden:"),
    "ask_sms_code": ("Temporary code from the SMS:", "Midlertidig kode fra din SMS:"),
    "ask_user": ("User ID:", "Bruger-ID:"),
    "ask_activation_code": ("Activation code:", "Aktiveringskode:"),
    # advice of the scanner and refusals of a QR, by reason
    "advice_dark": ("Too dark: turn up the light or the screen.", "For mørkt: skru op for lyset."),
    "advice_blurred": ("Blurred: hold still.", "Uskarpt: hold stille."),
    "advice_too_small": ("Move closer.", "Gå tættere på."),
    "advice_foreign": (
        "That is another kind of QR code.",
        "Det er en anden slags QR-kode.",
    ),
    "advice_damaged": (
        "That QR code is incomplete: scan the one on the old laptop's screen.",
        "QR-koden er ufuldstændig: scan den på den gamle bærbares skærm.",
    ),
    "advice_unknown_version": (
        "That QR code is of another version: update nearproof on both laptops.",
        "QR-koden er af en anden version: opdatér nearproof på begge bærbare.",
    ),
    "advice_other_role": (
        "That is one of our codes, but not for scanning here: run `nearproof old copy` on the "
        "old laptop.",
        "Det er en af vores koder, men ikke til scanning her: kør `nearproof old copy` på den "
        "gamle bærbare.",
    ),
    "advice_no_camera": ("No camera found yet.", "Intet kamera fundet endnu."),
    "advice_busy": (
        "The camera is in use by another program.",
        "Kameraet bruges af et andet program.",
    ),
    "advice_permission": ("The camera may not be opened.", "Kameraet må ikke åbnes."),
    "advice_gone": ("The camera is gone.", "Kameraet er væk."),
    "advice_clear": ("That is better.", "Det er bedre."),
    "advice_unconfined": (
        "The QR reader runs without its sandbox: install libseccomp2.",
        "QR-læseren kører uden sin sandkasse: installér libseccomp2.",
    ),
    "advice_no_zbar": (
        "The second QR reader is missing: install libzbar0.",
        "Den anden QR-læser mangler: installér libzbar0.",
    ),
    "advice_expired": ("That QR code has expired.", "QR-koden er udløbet."),
    "advice_worker_restarted": (
        "A picture could not be read; going on.",
        "Et billede kunne ikke læses; fortsætter.",
    ),
    # the fingerprint reader, and what could not be seen of the screen
    "finger_touch": (
        "Place your finger on the fingerprint reader.",
        "Læg din finger på fingeraftrykslæseren.",
    ),
    "finger_swipe": (
        "Swipe your finger across the fingerprint reader.",
        "Træk din finger hen over fingeraftrykslæseren.",
    ),
    "finger_again": ("That could not be read: try again.", "Det kunne ikke læses: prøv igen."),
    "finger_too_short": (
        "That was too short: try again.",
        "Det var for kort: prøv igen.",
    ),
    "finger_not_centered": (
        "Your finger was not centered: try again.",
        "Fingeren lå ikke midt på: prøv igen.",
    ),
    "finger_lift": (
        "Lift your finger and try again.",
        "Løft fingeren, og prøv igen.",
    ),
    "finger_no_match": (
        "That is not an enrolled finger.",
        "Det er ikke en registreret finger.",
    ),
    "screen_no_pipewire": (
        "Whether this screen is shared cannot be told: install pipewire-bin (pw-dump).",
        "Det kan ikke ses, om denne skærm deles: installér pipewire-bin (pw-dump).",
    ),
    "screen_x11": (
        "On X11 every program can read the screen: make sure that nobody else sees it.",
        "Under X11 kan alle programmer læse skærmen: sørg for, at ingen andre ser den.",
    ),
}


def text(key: str, language: Language, **fields: Any) -> str:
    """The sentence for `key`, filled in; "" where programs alone are told."""
    template = TEXTS[key][0 if language == "en" else 1]
    if "seconds" in fields:
        fields["duration"] = duration(fields["seconds"], language)
    if "code" in fields:
        fields["spaced"] = f"{fields['code'][:3]} {fields['code'][3:]}"
    if "{advice}" in template:
        fields["advice"] = text(f"advice_{fields['reason']}", language)
    return template.format(**fields)


def duration(seconds: float, language: Language) -> str:
    """A span of time in words."""
    units = {
        "en": (("hour", "hours"), ("minute", "minutes"), ("second", "seconds")),
        "da": (("time", "timer"), ("minut", "minutter"), ("sekund", "sekunder")),
    }[language]
    rest = max(round(seconds), 0)
    for size, (one, many) in zip((3600, 60, 1), units, strict=True):
        if rest >= size and (rest % size == 0 or rest >= 3 * size):
            count = round(rest / size)
            return f"{count} {one if count == 1 else many}"
    return f"{rest} {units[2][1]}"
