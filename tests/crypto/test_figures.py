"""The figures and constants of the SPEC are those of the code, and a ceremony is cheap."""

from __future__ import annotations

import re
import statistics
import sys
import time
from pathlib import Path

import pytest

from crypto.pair import ISSUER, Pair, grant_for
from nearproof.ble import uuids
from nearproof.ble.framing import split
from nearproof.crypto import cose, noise
from nearproof.crypto.errors import RefusalCode
from nearproof.crypto.proof import METHOD, PROFILE, Bundle
from nearproof.crypto.session import actions as a
from nearproof.crypto.verifier import verify_bundle

BUDGET_MS = 5.0
SPEC = Path(__file__).parents[2] / "crypto" / "SPEC.md"
BACKENDS_OWN = list(RefusalCode)[list(RefusalCode).index(RefusalCode.LATE) :]


@pytest.mark.skipif(sys.gettrace() is not None, reason="a tracer makes every line cost more")
def test_one_ceremony_costs_at_most_5_ms_of_cpu() -> None:
    """Median of 30, in CPU time, the simulation of the radio included."""
    grant = grant_for("cost")

    def once() -> float:
        start = time.process_time()
        pair = Pair("cost", grant=grant)
        pair.run(pair.done)
        assert pair.bundle is not None
        verify_bundle(pair.bundle, ISSUER.public)
        return (time.process_time() - start) * 1e3

    assert statistics.median(once() for _ in range(30)) <= BUDGET_MS


def test_the_sizes_of_the_spec() -> None:
    """SPEC, section 13: every size and number of frames is what a ceremony takes."""
    pair = Pair("sizes")
    pair.run(pair.done)
    messages = {
        output.name: output.message
        for output in pair.events(a.SendMessage)
        if isinstance(output, a.SendMessage)
    }
    assert pair.bundle is not None
    bundle = Bundle.decode(pair.bundle)
    sized = messages | {"bundle": pair.bundle, "grant": bundle.grant, "proof": bundle.proof}
    section = SPEC.read_text("utf-8").split("## 13 Sizes")[1].split("## 14")[0]
    said = dict(re.findall(r"(m1|m2|t1|t2|ack|bundle|grant|proof|PoP)\s(\d+)\b", section))
    measured = {name: len(data) for name, data in (sized | {"PoP": bundle.pop}).items()}
    assert {name: int(size) for name, size in said.items()} == measured
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", section, re.MULTILINE)
    assert len(rows) == 3
    for mtu, counts in rows:
        frames = [len(split(messages[name], int(mtu))) for name in ("m1", "m2", "t1", "t2", "ack")]
        assert frames == [int(count) for count in counts.split(" | ")]


def test_the_spec_names_our_constants() -> None:
    """What a stranger would copy from the page is what runs here."""
    spec = SPEC.read_text()
    for constant in (
        PROFILE,
        METHOD,
        uuids.SERVICE,
        uuids.MESSAGES,
        uuids.ROUNDS,
        noise.PROTOCOL_NAME.decode(),
        cose.TYP_GRANT,
        *(f"`{code}`" for code in RefusalCode if code not in BACKENDS_OWN),
    ):
        assert constant in spec, constant
