"""The Danish catalogue: brought up to the code, compiled, and judged (`scripts/messages`).

Babel reads, merges and writes it: it is what msgmerge and msgfmt are, without a system package.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from io import BytesIO
from string import Formatter
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from messages import code
from messages.code import Found
from nearproof.daemon.locale import DOMAIN, FOLDER

PO: Final = FOLDER / "da" / "LC_MESSAGES" / f"{DOMAIN}.po"
MO: Final = PO.with_suffix(".mo")
HEADER: Final = b"""\
# Danish of nearproof: README.md two folders up says how to add a sentence.
msgid ""
msgstr ""
"Language: da\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)  # compiled on any day, the catalogue is the same
PRINTF: Final = re.compile(r"%\(\w+\)[a-z]")  # click has a few


def refreshed(po: bytes, found: list[Found]) -> bytes:
    """`po` with every sentence of the code and no other.

    A new one has an empty Danish text, one that was changed is fuzzy until somebody looks at it.
    """
    template = Catalog()
    for each in found:
        msgid = each.forms
        template.add(
            msgid if len(msgid) > 1 else msgid[0],
            locations=[(each.file, 0)],
            auto_comments=[each.key] if each.key else [],
        )
    catalogue = read(po)
    catalogue.update(template)
    return written(catalogue)


def read(po: bytes) -> Catalog:
    """The catalogue that `po` is."""
    return read_po(BytesIO(po), locale="da", domain=DOMAIN, abort_invalid=True)


def written(catalogue: Catalog) -> bytes:
    """As text, without line numbers, which would change with every line of code."""
    buffer = BytesIO()
    write_po(
        buffer, catalogue, width=96, omit_header=True, ignore_obsolete=True, include_lineno=False
    )
    return HEADER + buffer.getvalue().lstrip()


def compiled(po: bytes) -> bytes:
    """As the program reads it; fuzzy texts are left out."""
    buffer, catalogue = BytesIO(), read(po)
    catalogue.creation_date = catalogue.revision_date = DAY
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def faults(po: bytes, mo: bytes, found: list[Found]) -> Iterator[str]:
    """What is wrong with the catalogue, a line each; none if it is complete and true."""
    catalogue = read(po)
    wanted = {each.forms for each in found}
    there = {_forms(message.id) for message in catalogue if message.id}
    for gone in sorted(there - wanted):
        yield f"the English of this is gone from the code: {gone[0]!r}"
    for missing in sorted(wanted - there):
        yield f"not in the catalogue: {missing[0]!r}"
    for message in catalogue:
        if message.id and _forms(message.id) in wanted:
            yield from _faults(message)
    if not (there ^ wanted) and refreshed(po, found) != po:
        yield f"{PO.name} is not as scripts/messages writes it"
    if compiled(po) != mo:
        yield f"{MO.name} is older than {PO.name}"


def faults_of_code() -> Iterator[str]:
    """What is wrong with the sentences where they stand."""
    yield from code.unfit()
    for key in sorted(code.unused()):
        yield f"nobody uses the key {key!r} of texts.py"
    for key in sorted(code.unknown()):
        yield f"{key!r} is told or asked, but is not in texts.py"


def _faults(message: Message) -> Iterator[str]:
    english, danish = _forms(message.id), _forms(message.string)
    if len(danish) != len(english) or not all(danish):
        yield f"no Danish: {english[0]!r}"
        return
    if message.fuzzy:
        yield f"the English was changed, look at the Danish (fuzzy): {english[0]!r}"
    for number, text in enumerate(danish):
        # The singular may say "one" in place of the number.
        allowed = [fields(english[-1])] if number else [fields(each) for each in english]
        if fields(text) not in allowed:
            yield f"the Danish has other fields: {english[0]!r}"


def fields(text: str) -> set[str]:
    """What is filled in: names with their formats."""
    named = {f"{name}!{how}:{spec}" for _, name, spec, how in Formatter().parse(text) if name}
    return named | set(PRINTF.findall(text))


def _forms(text: str | Sequence[str] | None) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text or ())


def main(arguments: list[str]) -> int:
    """Write both files anew, or with --check only look; 1 if something is left to do."""
    found = list(code.sentences())
    if "--check" not in arguments:
        PO.write_bytes(refreshed(PO.read_bytes(), found))
        MO.write_bytes(compiled(PO.read_bytes()))
    left = [*faults(PO.read_bytes(), MO.read_bytes(), found), *faults_of_code()]
    for fault in left:
        print(fault, file=sys.stderr)
    if left:
        print(f"{len(left)} to mend: see {FOLDER / 'README.md'}", file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
