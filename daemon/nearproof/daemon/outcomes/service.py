"""What the backend may say, and what may keep it from saying it."""

from __future__ import annotations

from nearproof.crypto.errors import RefusalCode
from nearproof.daemon.backend.wire import ServiceCode
from nearproof.daemon.join import JoinReason
from nearproof.daemon.outcomes.kinds import Exit, Outcome, Rows, Whose
from nearproof.daemon.provider import ProviderReason

_E, _W = Exit, Whose

BACKEND: Rows = (
    Outcome(
        ProviderReason.UNREACHABLE,
        _E.BACKEND,
        _W.BACKEND,
        "The backend cannot be reached ({detail}). Nothing is lost: try again later.",
        "Serveren kan ikke nås ({detail}). Intet er tabt: prøv igen senere.",
    ),
    Outcome(
        ProviderReason.WRONG_CERTIFICATE,
        _E.BACKEND,
        _W.BACKEND,
        "Another server answers at the backend's address. Nothing was sent to it. Check the "
        "network, or join again with the operator's line.",
        "En anden server svarer på serverens adresse. Intet er sendt til den. Tjek netværket, "
        "eller tilslut igen med operatørens linje.",
    ),
    Outcome(
        ProviderReason.LYING,
        _E.BACKEND,
        _W.BACKEND,
        "The backend gave an answer that makes no sense ({detail}). Nothing was changed here.",
        "Serverens svar giver ingen mening ({detail}). Intet er ændret her.",
    ),
    Outcome(
        ProviderReason.UNAVAILABLE,
        _E.TRY_AGAIN,
        _W.BACKEND,
        "The backend cannot work just now ({detail}). Try again in a while.",
        "Serveren kan ikke arbejde lige nu ({detail}). Prøv igen om lidt.",
    ),
    Outcome(
        ProviderReason.WAITING,
        _E.WAITING,
        _W.NOBODY,
        "The waiting time is not over: {seconds} seconds left.",
        "Ventetiden er ikke slut: {seconds} sekunder tilbage.",
    ),
    Outcome(
        ProviderReason.REFUSED,
        _E.BACKEND,
        _W.BACKEND,
        "The backend refused ({code}: {detail}).",
        "Serveren afviste ({code}: {detail}).",
    ),
    Outcome(
        ServiceCode.UNKNOWN_DEVICE,
        _E.REVOKED,
        _W.BACKEND,
        "The backend does not know this laptop. Activate it, or join the right backend.",
        "Serveren kender ikke denne bærbare. Aktivér den, eller tilslut den rigtige server.",
    ),
    Outcome(
        ServiceCode.DEVICE_REVOKED,
        _E.REVOKED,
        _W.BACKEND,
        "This laptop has been revoked: it can no longer act for the account.",
        "Denne bærbare er spærret: den kan ikke længere bruges for kontoen.",
    ),
    Outcome(
        ServiceCode.INVITE,
        _E.WRONG_CODE,
        _W.YOURS,
        "That activation code is wrong, used, or older than a day. Ask for a new one.",
        "Aktiveringskoden er forkert, brugt eller mere end et døgn gammel. Bed om en ny.",
    ),
    Outcome(
        ServiceCode.WRONG_PIN,
        _E.LOCKED,
        _W.YOURS,
        "Wrong PIN, and it is locked now. Try again in {seconds} seconds.",
        "Forkert PIN-kode, og den er nu spærret. Prøv igen om {seconds} sekunder.",
    ),
    Outcome(
        ServiceCode.PIN_LOCKED,
        _E.LOCKED,
        _W.YOURS,
        "The PIN is locked after wrong tries: {seconds} seconds left.",
        "PIN-koden er spærret efter forkerte forsøg: {seconds} sekunder tilbage.",
    ),
    Outcome(
        ServiceCode.DEVICE_DEAD,
        _E.LOCKED,
        _W.YOURS,
        "Nine wrong PINs: this laptop is blocked for good. Use another one.",
        "Ni forkerte PIN-koder: denne bærbare er spærret for altid. Brug en anden.",
    ),
    Outcome(
        ServiceCode.NO_SLOT,
        _E.THREE_DEVICES,
        _W.YOURS,
        "The account has three active laptops. Revoke one of them first.",
        "Kontoen har tre aktive bærbare. Spær en af dem først.",
    ),
    Outcome(
        ServiceCode.STARTS_USED_UP,
        _E.LOCKED,
        _W.YOURS,
        "Too many copies today. Try again in {seconds} seconds.",
        "For mange kopieringer i dag. Prøv igen om {seconds} sekunder.",
    ),
    Outcome(
        ServiceCode.TOO_NEW,
        _E.WAITING,
        _W.NOBODY,
        "For a day a new laptop may neither copy, nor revoke or cancel others: {seconds} "
        "seconds left.",
        "Det første døgn kan en bærbar hverken kopiere, spærre eller annullere for andre: "
        "{seconds} sekunder tilbage.",
    ),
    Outcome(
        ServiceCode.PHONE_CHANGED,
        _E.WAITING,
        _W.NOBODY,
        "The phone number was changed a short while ago: it counts in {seconds} seconds.",
        "Telefonnummeret er ændret for nylig: det gælder om {seconds} sekunder.",
    ),
    Outcome(
        ServiceCode.NAMES_USED_UP,
        _E.LOCKED,
        _W.YOURS,
        "Three user IDs were tried. Cancel, and start again on the old laptop.",
        "Tre bruger-ID'er er prøvet. Annullér, og start forfra på den gamle bærbare.",
    ),
    Outcome(
        ServiceCode.CODES_USED_UP,
        _E.LOCKED,
        _W.YOURS,
        "Three codes were sent. Cancel, and start again on the old laptop.",
        "Tre koder er sendt. Annullér, og start forfra på den gamle bærbare.",
    ),
    Outcome(
        ServiceCode.CEREMONY_RUNNING,
        _E.BACKEND,
        _W.YOURS,
        "Another laptop of this account is already copying. Finish that, or run `nearproof old "
        "cancel` there.",
        "En anden af kontoens bærbare er i gang med at kopiere. Afslut det, eller kør `nearproof "
        "old cancel` på den.",
    ),
    Outcome(
        ServiceCode.CEREMONY_OVER,
        _E.TRY_AGAIN,
        _W.NOBODY,
        "That copy is over. Run `nearproof old copy` to order a new one.",
        "Kopieringen er afsluttet. Kør `nearproof old copy` for at bestille en ny.",
    ),
    Outcome(
        ServiceCode.GRANTS_USED_UP,
        _E.LOCKED,
        _W.YOURS,
        "All QR codes of this copy are used up. Run `nearproof old cancel`, then order a new copy.",
        "Alle QR-koder til kopieringen er brugt. Kør `nearproof old cancel`, og bestil en ny.",
    ),
    Outcome(
        ServiceCode.ALREADY_USED,
        _E.BACKEND,
        _W.NOBODY,
        "This copy is already done: used by “{detail}”. If that is not yours, revoke it.",
        "Kopieringen er allerede sket: brugt af “{detail}”. Er den ikke din, så spær den.",
    ),
    *(
        Outcome(
            code,
            _E.PROOF_REFUSED,
            _W.NOBODY,
            "The backend no longer takes this proof ({detail}): it waited too long, or the old "
            "laptop has shown another QR code since. Run `nearproof old copy` and scan afresh.",
            "Serveren tager ikke længere imod beviset ({detail}): det har ventet for længe, eller "
            "den gamle bærbare har siden vist en ny QR-kode. Kør `nearproof old copy`, scan igen.",
        )
        for code in (
            RefusalCode.LATE,
            RefusalCode.CEREMONY_NOT_LIVE,
            RefusalCode.GRANT_NOT_CURRENT,
            RefusalCode.ALREADY_USED,
            RefusalCode.KEY_REDEEMED,
        )
    ),
    Outcome(
        RefusalCode.OLD_NOT_ACTIVE,
        _E.REVOKED,
        _W.NOBODY,
        "The old laptop has been revoked since: nothing can be copied from it.",
        "Den gamle bærbare er siden blevet spærret: intet kan kopieres fra den.",
    ),
    Outcome(
        RefusalCode.WRONG_ACCOUNT,
        _E.PROOF_REFUSED,
        _W.YOURS,
        "The old laptop does not belong to that user ID. If you typed your own, the QR code was "
        "not your laptop's: stop. Otherwise run this again and type it right.",
        "Den gamle bærbare hører ikke til det bruger-ID. Er det dit eget, var QR-koden ikke fra "
        "din bærbare: stop. Ellers kør igen, og indtast det rigtigt.",
    ),
    Outcome(
        JoinReason.MALFORMED,
        _E.USAGE,
        _W.YOURS,
        "That is no join line ({detail}). Copy the whole line that `nearproof backend serve` "
        "printed.",
        "Det er ikke en tilslutningslinje ({detail}). Kopiér hele linjen fra "
        "`nearproof backend serve`.",
    ),
    Outcome(
        JoinReason.UNREACHABLE,
        _E.BACKEND,
        _W.BACKEND,
        "No backend answers there ({detail}).",
        "Ingen server svarer der ({detail}).",
    ),
    Outcome(
        JoinReason.WRONG_CERTIFICATE,
        _E.BACKEND,
        _W.BACKEND,
        "Another server answers there ({detail}). Not joined.",
        "En anden server svarer der ({detail}). Ikke tilsluttet.",
    ),
)
