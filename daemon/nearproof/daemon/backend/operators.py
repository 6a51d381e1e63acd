"""Where the conformance suite gets what only an operator can give: invites and SMS codes."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from nearproof.daemon.backend.admin import invite
from nearproof.daemon.backend.data_dir import open_data_dir
from nearproof.daemon.backend.desk import sms_key
from nearproof.daemon.backend.enrolling import sms_code
from nearproof.daemon.backend.policy import policy_in
from nearproof.daemon.backend.suite import NotAsAgreed, Operator
from nearproof.daemon.console import Console

_PHONE: Final = "+4500000000"


def asked_operator(console: Console) -> Operator:
    """A person, who is asked: of anybody's backend."""

    async def invited() -> tuple[str, str]:
        account = await console.ask("new_account")
        return account, await console.ask("activation_code")

    async def code(account: str) -> str:
        return await console.ask("sms_code_of", account=account)

    return Operator(invited, code)


def own_operator(data_dir: Path, database: str | None) -> Operator:
    """Of a backend of this program, whose folder is here; makes accounts named conformance-*."""

    async def invited() -> tuple[str, str]:
        account = f"conformance-{secrets.token_hex(4)}"
        policy = policy_in(data_dir, None)
        return account, invite(data_dir, account, policy, phone=_PHONE, database=database)

    async def code(account: str) -> str:
        with open_data_dir(data_dir, database) as data, data.store.read() as records:
            ceremony = records.peek_ceremony(account)
            if ceremony is None:
                raise NotAsAgreed("nothing is being enrolled for {account}", account=account)
            return sms_code(sms_key(data.issuer), ceremony)

    return Operator(invited, code)
