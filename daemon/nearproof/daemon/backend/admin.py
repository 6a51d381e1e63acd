"""What the backend's operator does at the console, beside or without a running server."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from nearproof.crypto.primitives import Randomness
from nearproof.daemon.backend import rules, wire
from nearproof.daemon.backend.data_dir import open_data_dir
from nearproof.daemon.backend.rules import BackendPolicy, Problem
from nearproof.daemon.backend.service import CODE_SIZE, hash_code
from nearproof.daemon.backend.wire import DeviceState, ServiceCode

_GROUP = 4  # characters of a code between hyphens


def invite(
    data_dir: Path, account: str, policy: BackendPolicy, *, randomness: Randomness = os.urandom
) -> str:
    """A new activation code for the first laptop of `account`, which is made if it is new.

    128 random bits in base32, in groups of four; once, for `policy.invite_lifetime` seconds.
    Only its hash is stored: it can be shown here and never again.  Raises ValueError for a user
    ID that is none, `Problem` (ACCOUNT_ACTIVE) where a laptop could be copied from instead.
    """
    name = wire.account_name(account)
    encoded = base64.b32encode(randomness(CODE_SIZE)).decode().rstrip("=")
    code = "-".join(encoded[at : at + _GROUP] for at in range(0, len(encoded), _GROUP))
    with open_data_dir(data_dir) as data, data.store.write() as records:
        if records.active_devices(name):
            raise Problem(
                ServiceCode.ACCOUNT_ACTIVE, "the account has an active laptop: copy from that one"
            )
        records.add_account(name)
        records.add_invite(hash_code(code), name, records.now + policy.invite_lifetime * 1000)
        records.log(name, "invited")
    return code


def revoke(data_dir: Path, kid: bytes) -> None:
    """Revoke the device of this kid (16 bytes) at once; a copy that it has started is cancelled.

    Raises `Problem` (UNKNOWN_DEVICE); a device that is revoked already stays as it is.
    """
    with open_data_dir(data_dir) as data, data.store.write() as records:
        device = records.device(kid)
        if device is None:
            raise Problem(ServiceCode.UNKNOWN_DEVICE, "no such device")
        if device.state is DeviceState.REVOKED:
            return
        records.revoke(kid)
        ceremony = records.live_ceremony(device.account)
        if ceremony is not None and ceremony.old == kid:
            records.save_ceremony(rules.cancel(ceremony))
        records.log(device.account, "revoked", detail=kid.hex())
