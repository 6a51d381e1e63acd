"""Who else sees this screen, as far as a program can tell.

Found:
- a share or recording through PipeWire.  That is how Wayland desktops do it, whoever asks: the
  ScreenCast portal, GNOME's and KDE's own recorders, remote desktops of GNOME and KDE.
- SSH, mosh and their like, also with tmux or screen in between.

Not found, since nobody could be asked:
- on X11, where every program may read the screen without telling anyone (see `Blind`);
- programs that copy the screen of a wlroots compositor without PipeWire (wf-recorder, wayvnc);
- remote X displays (xrdp, VNC), serial lines, cameras and shoulders.

The portal itself (org.freedesktop.portal.ScreenCast) lists nobody else's sessions.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from nearproof.daemon.desktop.errors import ScreenExposed, ScreenReason

PROC: Final = Path("/proc")
PW_DUMP: Final = ("pw-dump",)  # of PipeWire's own tools
PW_DUMP_TIMEOUT: Final = 5.0  # seconds; it takes about 10 ms

_NODE: Final = "PipeWire:Interface:Node"
_LINK: Final = "PipeWire:Interface:Link"
# Mutter, KWin and niri offer the screen as the one, the portals of wlroots and Hyprland as the
# other; cameras are of the second class too, but they have a device behind them.
_SCREEN_CLASSES: Final = ("Stream/Output/Video", "Video/Source")
_DEVICE_PROPERTIES: Final = ("device.id", "device.api")

# Names of processes as the kernel has them (at most 15 bytes).
_REMOTE_SERVERS: Final = ("sshd", "sshd-session", "dropbear", "mosh-server", "tailscaled")
_ATTACHED: Final = ("tmux: client", "screen")


class Blind(StrEnum):
    """What could not be looked at."""

    NO_PIPEWIRE = "screen_no_pipewire"
    X11 = "screen_x11"


@dataclass(frozen=True, slots=True)
class Exposure:
    """Somebody else sees the screen; `detail` says through what."""

    reason: ScreenReason
    detail: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What was found, and what was not seen."""

    exposures: tuple[Exposure, ...]
    blind: tuple[Blind, ...]

    def require_private(self) -> None:
        """Raises `ScreenExposed` for the first exposure; what was not seen is no reason."""
        for exposure in self.exposures:
            raise ScreenExposed(exposure.reason, exposure.detail)


async def look(
    *,
    environ: Mapping[str, str] = os.environ,
    pid: int | None = None,
    proc: Path = PROC,
    pw_dump: Sequence[str] = PW_DUMP,
) -> Sight:
    """Look who sees the screen of process `pid` (this one), whose environment is `environ`."""
    exposures = []
    if remote := remote_terminal(environ, os.getpid() if pid is None else pid, proc):
        exposures.append(Exposure(ScreenReason.SCREEN_REMOTE, remote))
    blind = []
    graph = await _pipewire_graph(pw_dump)
    if graph is not None:
        exposures += [Exposure(ScreenReason.SCREEN_SHARED, by) for by in screen_shares(graph)]
    elif "WAYLAND_DISPLAY" in environ:
        blind.append(Blind.NO_PIPEWIRE)
    if "DISPLAY" in environ and "WAYLAND_DISPLAY" not in environ:
        blind.append(Blind.X11)
    return Sight(tuple(exposures), tuple(blind))


def remote_terminal(environ: Mapping[str, str], pid: int, proc: Path = PROC) -> str | None:
    """What carries this terminal to another machine, if anything that can be seen does.

    tmux and screen outlive the connection they were started over, so inside them their attached
    clients count too.  A client of another session of this user counts as well: they can switch.
    """
    for name in ("SSH_CONNECTION", "SSH_TTY"):
        if name in environ:
            return name
    # `sudo` and `su -` clean the environment, but they do not change the ancestors.
    for ancestor in _ancestors(pid, proc):
        if ancestor in _REMOTE_SERVERS:
            return ancestor
    if "TMUX" in environ or "STY" in environ:
        for client in _attached_over_ssh(proc):
            return f"{client} (SSH)"
    return None


def screen_shares(graph: object) -> list[str]:
    """Who takes, or else who offers, each picture of the screen in PipeWire's graph.

    `graph` is what pw-dump prints.  A share counts whether or not frames flow just now.  KDE's
    previews of windows are shares too, while they are on the screen.
    """
    nodes = {node["id"]: _properties(node) for node in _objects(graph, _NODE)}
    takers: dict[Any, list[str]] = {}
    for link in _objects(graph, _LINK):
        taker = nodes.get(link["info"].get("input-node-id"), {})
        takers.setdefault(link["info"].get("output-node-id"), []).append(_name(taker))
    shares = []
    for number, properties in nodes.items():
        if properties.get("media.class") not in _SCREEN_CLASSES:
            continue
        if any(name in properties for name in _DEVICE_PROPERTIES):
            continue
        shares.append(", ".join(sorted(set(takers.get(number, [_name(properties)])))))
    return shares


def _objects(graph: object, kind: str) -> Iterator[dict[str, Any]]:
    """The objects of one type; those that come or go just now are printed in part."""
    for item in graph if isinstance(graph, list) else ():
        match item:
            case {"type": str() as found, "id": int(), "info": dict()} if found == kind:
                yield item


def _properties(node: dict[str, Any]) -> dict[str, Any]:
    properties = node["info"].get("props")
    return properties if isinstance(properties, dict) else {}


def _name(properties: Mapping[str, Any]) -> str:
    """What the program calls itself, fit for a terminal."""
    for key in ("application.name", "node.description", "node.name", "media.name"):
        name = "".join(c for c in str(properties.get(key, "")) if c.isprintable())
        if name:
            return name[:64]
    return "PipeWire"


async def _pipewire_graph(pw_dump: Sequence[str]) -> object | None:
    """What pw-dump prints, or None if there is no pw-dump or no PipeWire."""
    try:
        process = await asyncio.create_subprocess_exec(
            *pw_dump,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(PW_DUMP_TIMEOUT):
            output, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        graph: object = json.loads(output)
    except ValueError:  # it prints nothing if there is no PipeWire
        return None
    return graph


def _ancestors(pid: int, proc: Path) -> Iterator[str]:
    """The names of a process' ancestors, the nearest first (proc_pid_stat(5))."""
    while pid > 1:
        try:
            stat = (proc / str(pid) / "stat").read_text(errors="replace")
        except OSError:  # ended meanwhile, or hidden from us
            return
        # The name stands in parentheses and may hold any character, these too.
        head, _, rest = stat.rpartition(")")
        yield head.partition("(")[2]
        pid = int(rest.split()[1])


def _attached_over_ssh(proc: Path) -> Iterator[str]:
    """Attached clients of tmux and screen that were started over SSH, this user's own.

    The kernel shows the environment that a process was started with, and only to its user.
    """
    for process in proc.glob("[0-9]*"):
        try:
            name = (process / "comm").read_text(errors="replace").strip()
            if name not in _ATTACHED:
                continue
            # screen's server has the name of its client, but writes its own in capitals.
            program, _, _ = (process / "cmdline").read_bytes().partition(b"\0")
            if program.endswith(b"SCREEN"):
                continue
            environ = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(entry.startswith((b"SSH_CONNECTION=", b"SSH_TTY=")) for entry in environ):
            yield name
