"""The sentences in the code, where each stands, and what the code does with them."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Final

import click
import click.core
import click.decorators
import click.exceptions
import click.formatting
import click.parser
import click.types

from manual import pages
from nearproof.daemon.backend.sms.texts import SMS_TEXTS
from nearproof.daemon.cli import main
from nearproof.daemon.locale import Counted, Sentence
from nearproof.daemon.outcomes import TABLE
from nearproof.daemon.texts import TEXTS

ROOT: Final = Path(__file__).parents[2]
ROOMS: Final = ("daemon", "ble", "qr", "crypto", "config")
TEXTS_FILE: Final = "daemon/nearproof/daemon/texts.py"

MARKS: Final[Mapping[str, tuple[int, ...]]] = {
    **dict.fromkeys(("marked", "_"), (0,)),
    "Counted": (0, 1),
    **dict.fromkeys(("ok", "skipped", "warn", "fail"), (0,)),  # of a check of the doctor
    "says": (2,),  # to the audience of the demo
    **dict.fromkeys(("rule", "NotAsAgreed", "LeftOut"), (0,)),  # of the conformance suite
    "expect": (1,),
    "PolicyRefused": (0,),
    **dict.fromkeys(("FileDamaged", "FileExposed"), (1,)),
}
"""Who takes an English sentence, and as which of its arguments: singular and plural if two."""

DETAILS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("BluetoothError", "CameraError", "_bad", "QrError"), 1),
    **dict.fromkeys(("ProviderError", "failure", "JoinError", "DaemonError", "NotReady"), 1),
    **dict.fromkeys(("NotifierError", "FingerprintError", "ScreenExposed", "Exposure"), 1),
    **dict.fromkeys(("_not_ours", "_malformed", "WindowError", "WrongCapacity", "lying"), 0),
    **dict.fromkeys(("SchemaUnknown", "DatabaseRefused", "SmsPortUnknown"), 0),
    **dict.fromkeys(("ChildLost", "ActorFailed", "AttackSucceeded", "EnrolmentEnded"), 0),
}
"""Who takes a detail that an outcome puts in brackets, and as which of its arguments.

It is made of parts with ": " between them, each of them words or data: words are translated.
"""
WORD: Final = re.compile(r"[^\W\d_]{2}")  # and not a unit
USAGE: Final = ("UsageError", "BadParameter", "ClickException")

FAMILIES: Final = ("ask_", "advice_", "finger_", "limit_", "status_", "next_", "outbox_")
"""What the code puts before a word to make a key of `TEXTS`."""

CLICK: Final = (
    click.core,
    click.decorators,
    click.exceptions,
    click.formatting,
    click.parser,
    click.types,
)
CLICKS_MARKS: Final[Mapping[str, tuple[int, ...]]] = {"_": (0,), "ngettext": (0, 1)}


@dataclass(frozen=True)
class Found:
    """A sentence, the file that it stands in, and its key there if it has one."""

    sentence: Sentence
    file: str
    key: str = ""

    @property
    def forms(self) -> tuple[str, ...]:
        """Singular and plural, or the one form that there is."""
        match self.sentence:
            case Counted(one, many):
                return (one, many)
            case str(text):
                return (text,)


def sentences() -> Iterator[Found]:
    """Every sentence that has words in it."""
    for found in (*_tables(), *_help(main), *_calls(), *_manual(), *_of_click()):
        if any(map(_has_words, found.forms)):
            yield found


def unfit() -> Iterator[str]:
    """What cannot be translated: a marked f-string, and a detail that mixes words with data."""
    for file in product_files():
        for line, part in _details(tree(file)):
            if "{}" in part and WORD.search(part.replace("{}", "")):
                yield f"{file}:{line}: put words and data of this detail apart by ': ': {part!r}"
        for call in _calls_of(dict.fromkeys(USAGE), tree(file)):
            if call.args and isinstance(call.args[0], ast.Constant | ast.JoinedStr):
                yield f"{file}:{call.lineno}: put _() around this sentence"
    for file in product_files():
        for call in _calls_of(MARKS, tree(file)):
            for argument in _arguments(call, MARKS):
                if isinstance(argument, ast.JoinedStr):
                    yield f"{file}:{argument.lineno}: give the fields of this f-string by name"


def unused() -> set[str]:
    """Keys of `TEXTS` that the code never names."""
    named = set()
    for file in product_files():
        for node in ast.walk(tree(file)) if file != TEXTS_FILE else ():
            match node:
                case ast.Constant(str(word)) | ast.AnnAssign(ast.Name(word)):  # a field's name too
                    named.add(word)
                case _:
                    pass
    made = {family + word for family in FAMILIES for word in named}
    return set(TEXTS) - named - made


def unknown() -> set[str]:
    """Keys that the code tells or asks, but that `TEXTS` does not have."""
    keys = set()
    for file in product_files():
        for node in ast.walk(tree(file)):
            match node:
                case ast.Call(ast.Attribute(attr="tell"), [ast.Constant(str(event)), *_]):
                    keys.add(event)
                case ast.Call(ast.Attribute(attr="ask"), [ast.Constant(str(what)), *_]):
                    keys.add(f"ask_{what}")
                case _:
                    pass
    return keys - set(TEXTS)


def product_files() -> Iterator[str]:
    """Every Python file of the product, from the root of the project."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield str(path.relative_to(ROOT))


@cache
def tree(file: str) -> ast.Module:
    """The syntax of a file."""
    return ast.parse((ROOT / file).read_text())


def _has_words(text: str) -> bool:
    """Whether there is anything to translate in `text` beside its fields."""
    return any(c.isalpha() for literal, *_ in Formatter().parse(text) for c in literal)


def _tables() -> Iterator[Found]:
    for key, sentence in TEXTS.items():
        yield Found(sentence, TEXTS_FILE, key)
    for text in SMS_TEXTS.values():
        yield Found(text, "daemon/nearproof/daemon/backend/sms/texts.py")
    for outcome in TABLE.values():
        yield Found(outcome.text, "daemon/nearproof/daemon/outcomes")


def _help(command: click.Command) -> Iterator[Found]:
    for text in (command.help, *(getattr(param, "help", None) for param in command.params)):
        if text:
            yield Found(inspect.cleandoc(text), "daemon/nearproof/daemon/cli")
    for sub in command.commands.values() if isinstance(command, click.Group) else ():
        yield from _help(sub)


def _calls() -> Iterator[Found]:
    for file in product_files():
        yield from _marked(tree(file), file, MARKS)
        for _, part in _details(tree(file)):
            if "{}" not in part:
                yield Found(part, file)


def _details(module: ast.Module) -> Iterator[tuple[int, str]]:
    """The parts of each detail and their lines, in the order of these; {} stands for data."""
    for call in _calls_of(DETAILS, module):
        for detail in call.args[DETAILS[_name(call)] :][:1]:
            for text in _texts(detail):
                for part in text.split(": "):
                    yield detail.lineno, part


def _texts(expression: ast.expr) -> Iterator[str]:
    """What it may come to, as far as it stands there."""
    match expression:
        case ast.Constant(str(text)):
            yield text
        case ast.JoinedStr(values):
            yield "".join(
                str(value.value) if isinstance(value, ast.Constant) else "{}" for value in values
            )
        case ast.IfExp(body=one, orelse=other) | ast.BoolOp(values=[one, other]):
            yield from (*_texts(one), *_texts(other))
        case _:
            pass  # a variable: another program's words, or marked where it comes from


def _manual() -> Iterator[Found]:
    for sentence in pages.sentences():
        yield Found(sentence, "tests/manual/pages.py")


def _of_click() -> Iterator[Found]:
    """What click itself says to people."""
    for module in CLICK:
        yield from _marked(ast.parse(inspect.getsource(module)), module.__name__, CLICKS_MARKS)


def _marked(module: ast.Module, file: str, marks: Mapping[str, tuple[int, ...]]) -> Iterator[Found]:
    for call in _calls_of(marks, module):
        match _arguments(call, marks):
            case [ast.Constant(str(text))]:
                yield Found(text, file)
            case [ast.Constant(str(one)), ast.Constant(str(many))]:
                yield Found(Counted(one, many, by=""), file)
            case _:
                pass  # a variable: marked where it comes from


def _calls_of(marks: Mapping[str, object], module: ast.Module) -> Iterator[ast.Call]:
    """The calls of marks, in the order of their lines."""
    calls = (node for node in ast.walk(module) if isinstance(node, ast.Call))
    marked = (call for call in calls if _name(call) in marks)
    yield from sorted(marked, key=lambda call: (call.lineno, call.col_offset))


def _arguments(call: ast.Call, marks: Mapping[str, tuple[int, ...]]) -> list[ast.expr]:
    return [call.args[at] for at in marks[_name(call)] if at < len(call.args)]


def _name(call: ast.Call) -> str:
    """`f` of `f(...)` and of `it.f(...)`."""
    return getattr(call.func, "id", getattr(call.func, "attr", ""))
