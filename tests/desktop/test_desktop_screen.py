"""Who else sees the screen: what can be found is found, what cannot is said to be unseen."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nearproof.daemon.desktop.errors import ScreenExposed, ScreenReason
from nearproof.daemon.desktop.screen import (
    Blind,
    Exposure,
    Sight,
    look,
    remote_terminal,
    screen_shares,
)

WAYLAND = {"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}
NO_PIPEWIRE = ("/nonexistent/pw-dump",)


def node(number: int, **properties: str | int) -> dict[str, Any]:
    """A node as pw-dump prints it (PipeWire 0.3.65 to 1.4)."""
    props = {name.replace("_", "."): value for name, value in properties.items()}
    return {
        "id": number,
        "type": "PipeWire:Interface:Node",
        "version": 3,
        "permissions": ["r", "w", "x", "m"],
        "info": {"state": "suspended", "error": None, "props": props, "params": {}},
    }


def link(output: int, taker: int) -> dict[str, Any]:
    return {
        "id": 1000 + taker,
        "type": "PipeWire:Interface:Link",
        "info": {
            "output-node-id": output,
            "output-port-id": 900,
            "input-node-id": taker,
            "input-port-id": 901,
            "state": "active",
        },
    }


CORE = {"id": 0, "type": "PipeWire:Interface:Core", "info": {"name": "pipewire-0", "props": {}}}
CAMERA = node(40, media_class="Video/Source", node_name="v4l2_input.x", device_id=38)
CAMERA_TAKER = node(41, media_class="Stream/Input/Video", application_name="cheese")
MICROPHONE = node(42, media_class="Audio/Source", node_name="alsa_input.x")
MUTTER = node(
    50,
    media_class="Stream/Output/Video",
    media_name="meta-screen-cast-src",
    node_name="gnome-shell",
)
WLROOTS = node(51, media_class="Video/Source", node_name="xdg-desktop-portal-wlr")
BROWSER = node(60, media_class="Stream/Input/Video", application_name="Firefox")
RECORDER = node(61, media_class="Stream/Input/Video", node_name="obs")


def test_cameras_and_sound_are_no_shares() -> None:
    """A video call without a shared screen is none of our business."""
    assert screen_shares([CORE, CAMERA, CAMERA_TAKER, MICROPHONE, link(40, 41)]) == []


@pytest.mark.parametrize(
    ("screen", "name"), [(MUTTER, "gnome-shell"), (WLROOTS, "xdg-desktop-portal-wlr")]
)
def test_a_screen_on_offer_is_a_share(screen: dict[str, Any], name: str) -> None:
    """Even while nobody takes it: the next frame may be taken."""
    assert screen_shares([CORE, CAMERA, screen]) == [name]


def test_who_takes_the_screen_is_named() -> None:
    """So that the person knows what to stop."""
    graph = [MUTTER, BROWSER, RECORDER, link(50, 61), link(50, 60), CAMERA, CAMERA_TAKER]
    assert screen_shares(graph) == ["Firefox, obs"]


def test_a_name_cannot_write_on_the_terminal() -> None:
    """Programs choose their names."""
    rogue = node(60, media_class="Stream/Input/Video", application_name="\x1b[2JFire\nfox" * 20)
    (name,) = screen_shares([MUTTER, rogue, link(50, 60)])
    assert name.isprintable()
    assert len(name) == 64


@pytest.mark.parametrize(
    "graph",
    [
        None,
        {},
        "text",
        [1, None, {}],
        [{"id": 1, "type": "PipeWire:Interface:Node", "info": None}],
        [{"type": "PipeWire:Interface:Node"}],
        [{"id": 1, "type": "PipeWire:Interface:Node", "info": {"props": None}}],
    ],
)
def test_an_odd_graph_holds_no_share(graph: object) -> None:
    """Objects that come or go just now are printed in part."""
    assert screen_shares(graph) == []


PwDump = Callable[[str], tuple[str, ...]]


@pytest.fixture
def pw_dump(tmp_path: Path) -> PwDump:
    """Makes a pw-dump that prints a text."""

    def make(text: str) -> tuple[str, ...]:
        (tmp_path / "graph").write_text(text)
        return ("cat", str(tmp_path / "graph"))

    return make


async def test_a_share_is_found(pw_dump: PwDump, tmp_path: Path) -> None:
    """And refused by name, unless the caller was told to override it."""
    sight = await look(environ=WAYLAND, proc=tmp_path, pw_dump=pw_dump(json.dumps([MUTTER])))
    assert sight == Sight((Exposure(ScreenReason.SCREEN_SHARED, "gnome-shell"),), ())
    with pytest.raises(ScreenExposed) as caught:
        sight.require_private()
    assert (caught.value.reason, caught.value.detail) == (
        ScreenReason.SCREEN_SHARED,
        "gnome-shell",
    )


async def test_a_private_screen_is_private(pw_dump: PwDump, tmp_path: Path) -> None:
    """Nothing found, everything seen."""
    sight = await look(environ=WAYLAND, proc=tmp_path, pw_dump=pw_dump(json.dumps([CORE, CAMERA])))
    assert sight == Sight((), ())
    sight.require_private()


@pytest.mark.parametrize("text", ["", "not JSON"])
async def test_pipewire_that_does_not_answer_is_unseen(
    pw_dump: PwDump, tmp_path: Path, text: str
) -> None:
    """On Wayland this is worth a word, but it is no reason to refuse."""
    sight = await look(environ=WAYLAND, proc=tmp_path, pw_dump=pw_dump(text))
    assert sight == Sight((), (Blind.NO_PIPEWIRE,))
    sight.require_private()


@pytest.mark.parametrize(
    ("environ", "blind"),
    [
        (WAYLAND, (Blind.NO_PIPEWIRE,)),
        ({"DISPLAY": ":0"}, (Blind.X11,)),
        ({}, ()),
    ],
    ids=["wayland", "x11", "console"],
)
async def test_what_is_not_seen_depends_on_the_desktop(
    tmp_path: Path, environ: dict[str, str], blind: tuple[Blind, ...]
) -> None:
    """X11 tells nobody who reads it; a text console has nothing to share through PipeWire."""
    assert await look(environ=environ, proc=tmp_path, pw_dump=NO_PIPEWIRE) == Sight((), blind)


async def test_a_pw_dump_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The QR waits for nobody, and no process is left."""
    monkeypatch.setattr("nearproof.daemon.desktop.screen.PW_DUMP_TIMEOUT", 0.2)
    note = tmp_path / "pid"
    hang = f"import os, signal; open({str(note)!r}, 'w').write(str(os.getpid())); signal.pause()"
    sight = await look(environ=WAYLAND, proc=tmp_path, pw_dump=(sys.executable, "-c", hang))
    assert sight.blind == (Blind.NO_PIPEWIRE,)
    if note.exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int(note.read_text()), 0)


class Processes:
    """A /proc with the files of proc(5) that are looked at."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self, pid: int, name: str, parent: int, *, cmdline: str = "", environ: str = ""
    ) -> None:
        home = self.root / str(pid)
        home.mkdir()
        (home / "stat").write_text(f"{pid} ({name}) S {parent} {pid} 0 0 -1 4194304")
        (home / "comm").write_text(f"{name}\n")
        (home / "cmdline").write_bytes((cmdline or name).encode() + b"\0")
        (home / "environ").write_bytes(environ.encode() + b"\0")


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    """init, a login, a shell 30, and this process 40."""
    processes = Processes(tmp_path)
    processes.add(1, "systemd", 0)
    processes.add(30, "bash", 1)
    processes.add(40, "python3", 30)
    return processes


def remote(processes: Processes, environ: dict[str, str]) -> str | None:
    return remote_terminal(environ, 40, processes.root)


@pytest.mark.parametrize("name", ["SSH_CONNECTION", "SSH_TTY"])
async def test_an_ssh_session_is_remote(tmp_path: Path, name: str) -> None:
    """sshd says so in the environment."""
    sight = await look(environ={name: "x"}, proc=tmp_path, pw_dump=NO_PIPEWIRE)
    assert sight == Sight((Exposure(ScreenReason.SCREEN_REMOTE, name),), ())


def test_a_local_shell_is_not_remote(processes: Processes) -> None:
    """Nor is one in tmux with a local client."""
    assert remote(processes, {}) is None
    processes.add(50, "tmux: client", 30, environ="HOME=/home/a")
    processes.add(51, "sshd", 1)  # serves somebody else
    assert remote(processes, {"TMUX": "default,49,0"}) is None


@pytest.mark.parametrize("server", ["sshd", "sshd-session", "mosh-server", "dropbear"])
def test_sudo_does_not_hide_the_server(processes: Processes, server: str) -> None:
    """The environment is clean, the ancestors are not; names may hold anything."""
    processes.add(20, server, 1)
    processes.add(21, "a) S 1 (b", 20)
    processes.add(31, "sudo", 21)
    processes.add(41, "python3", 31)
    assert remote_terminal({}, 41, processes.root) == server


@pytest.mark.parametrize(
    ("mark", "client"), [("TMUX", "tmux: client"), ("STY", "screen")], ids=["tmux", "screen"]
)
def test_a_multiplexer_attached_over_ssh_is_remote(
    processes: Processes, mark: str, client: str
) -> None:
    """The session was started at the desk and is now looked at from afar."""
    processes.add(50, client, 30, environ="SSH_CONNECTION=10.0.0.1 5 10.0.0.2 22")
    assert remote(processes, {mark: "x"}) == f"{client} (SSH)"
    assert remote(processes, {}) is None, "not inside of it"


@pytest.mark.parametrize("program", ["SCREEN", "/usr/bin/SCREEN"])
def test_a_screen_server_is_not_its_client(processes: Processes, program: str) -> None:
    """Started over SSH once, now attached at the desk."""
    processes.add(50, "screen", 1, cmdline=program, environ="SSH_CONNECTION=10.0.0.1 5 10.0.0.2 22")
    processes.add(51, "screen", 30)
    assert remote(processes, {"STY": "50.tty1"}) is None


def test_hidden_processes_are_passed_over(processes: Processes) -> None:
    """Other users' are (hidepid), and some end while we look."""
    (processes.root / "50").mkdir()
    (processes.root / "30" / "stat").unlink()
    assert remote(processes, {"TMUX": "x"}) is None


async def test_the_real_proc_can_be_read() -> None:
    """This test's own ancestors, down to init."""
    environ = {"TMUX": "x"}
    assert isinstance(await look(environ=environ, pw_dump=NO_PIPEWIRE), Sight)


PIPEWIRE_CONF = """\
context.properties = { core.daemon = true core.name = pipewire-0 }
context.spa-libs = {
    videotestsrc = videotestsrc/libspa-videotestsrc
    support.* = support/libspa-support
}
context.modules = [
    { name = libpipewire-module-protocol-native }
    { name = libpipewire-module-access }
    { name = libpipewire-module-spa-node-factory }
]
context.objects = [
    { factory = spa-node-factory args = {
        factory.name = videotestsrc
        node.name = xdg-desktop-portal-wlr
        media.class = Video/Source
    } }
    { factory = spa-node-factory args = {
        factory.name = videotestsrc
        node.name = v4l2_input.x
        media.class = Video/Source
        device.api = v4l2
    } }
]
"""


@asynccontextmanager
async def pipewire(runtime: str, config: Path) -> AsyncIterator[None]:
    """A PipeWire of the test's own that offers one screen and one camera."""
    (config / "pipewire.conf").write_text(PIPEWIRE_CONF)
    daemon = await asyncio.create_subprocess_exec(
        "pipewire",
        "-v",
        env={**os.environ, "XDG_RUNTIME_DIR": runtime, "PIPEWIRE_CONFIG_DIR": str(config)},
        stderr=asyncio.subprocess.PIPE,
    )
    assert daemon.stderr is not None
    try:
        async for line in daemon.stderr:
            if b"start main loop" in line:
                break
        yield
    finally:
        daemon.terminate()
        await daemon.communicate()


@pytest.mark.skipif(
    shutil.which("pipewire") is None or shutil.which("pw-dump") is None,
    reason="needs pipewire and pw-dump",
)
async def test_a_real_pipewire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The screen is found in its graph, the camera is passed over."""
    # Not in pytest's directory: the path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory() as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        async with pipewire(runtime, tmp_path):
            sight = await look(environ=WAYLAND, proc=tmp_path)
    assert sight == Sight((Exposure(ScreenReason.SCREEN_SHARED, "xdg-desktop-portal-wlr"),), ())
