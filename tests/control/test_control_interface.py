"""The published interface: what it says is so, and other implementations can read it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import msgspec
import pytest

from control.running import daemon
from nearproof.config.home import Home
from nearproof.daemon.control import interface as io
from nearproof.daemon.control.laptopd import LaptopService

NAME = io.INTERFACE


def described(kind: str, name: str) -> list[set[str]]:
    """The names in each parenthesis of a type, method or error of the interface file."""
    text = re.sub(r"#.*", "", io.description())
    found = re.search(rf"^{kind} {name}\b(.*?)(?=^\w|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no {kind} {name}"
    groups = re.findall(r"\(([^()]*)\)", found[1])
    return [set(re.findall(r"(\w+)\s*:", group)) for group in groups]


def fields(shape: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(shape)}


def test_the_interface_file_says_what_the_types_do(tmp_path: Path) -> None:
    """Every method and type of the one is in the other, with the same names."""
    service = LaptopService(Home(tmp_path), daemon=False, changed=lambda: None)
    replies: dict[str, type[msgspec.Struct]] = {
        "Prove": io.SaidReply,
        "Answer": io.Nothing,
        "Status": io.StatusReply,
        "Devices": io.Devices,
        "Revoke": io.Nothing,
        "Cancel": io.Cancelled,
    }
    methods = service.methods()
    assert set(re.findall(r"^method (\w+)", io.description(), re.MULTILINE)) == set(methods)
    for name, method in methods.items():
        takes, gives = described("method", name)
        assert takes == fields(method.takes), name
        assert gives == (fields(replies[name]) if name in replies else {"said"}), name
    types: dict[str, type[msgspec.Struct]] = {
        "Told": io.Told,
        "Question": io.Question,
        "Frame": io.Frame,
        "Said": io.Said,
    }
    account: dict[str, type[msgspec.Struct]] = {
        "Copy": io.Copy,
        "Standing": io.Status,
        "Device": io.Listed,
        "Failure": io.Failure,
    }
    for name, shape in (types | account).items():
        assert described("type", name) == [fields(shape)], name
    assert described("error", "Failed") == [fields(io.Failed)]
    names = re.findall(r"^(?:type|method|error) (\w+)", io.description(), re.MULTILINE)
    assert len(names) == len(set(names)), "systemd wants each name once"


async def output(*words: str, code: int = 0) -> str:
    process = await asyncio.create_subprocess_exec(
        *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == code, out.decode()
    return out.decode()


async def test_the_reference_implementation_reads_it(tmp_path: Path, runtime: Path) -> None:
    """Its client fetches and parses the interface, calls, streams, and gets the errors."""
    client = (sys.executable, "-W", "ignore", "-m", "varlink.cli")
    async with daemon(tmp_path / "home", runtime):
        path = next((runtime / "nearproof").iterdir())
        assert NAME in await output(*client, "info", f"unix:{path}")
        assert "method OldCopy" in await output(*client, "help", f"unix:{path}/{NAME}")
        status = await output(*client, "call", f"unix:{path}/{NAME}.Status")
        assert json.loads(status)["status"] == {
            **{name: "" for name in ("backend", "account", "label", "kid")},
            **{"state": "unjoined", "next": "join", "copy": None, "failure": None},
            "waits": 0,
            "daemon": True,
        }
        failed = await output(*client, "call", "-m", f"unix:{path}/{NAME}.NewCopy", "{}")
        assert "NotJoined" in failed


@pytest.mark.skipif(shutil.which("varlinkctl") is None, reason="systemd before 255")
async def test_varlinkctl_reads_it(tmp_path: Path, runtime: Path) -> None:
    """The same with systemd's own, which is stricter: one name is one thing."""
    file = str(resources.files("nearproof.daemon.control") / f"{NAME}.varlink")
    assert await output("varlinkctl", "validate-idl", file)
    async with daemon(tmp_path / "home", runtime):
        path = str(next((runtime / "nearproof").iterdir()))
        assert "nearproof" in await output("varlinkctl", "info", path)
        for interface in (NAME, "org.varlink.service"):
            described = await output("varlinkctl", "introspect", path, interface)
            assert f"interface {interface}" in described
        status = await output("varlinkctl", "call", "-j", path, f"{NAME}.Status", "{}")
        assert json.loads(status)["status"]["state"] == "unjoined"
        failed = await output("varlinkctl", "call", "-E", path, f"{NAME}.NewCopy", "{}", code=1)
        assert f"{NAME}.Failed" in failed
