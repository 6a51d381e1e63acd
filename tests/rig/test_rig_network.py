"""The laptops' own Ethernet."""

from __future__ import annotations

import pytest

from rig.laptop import Laptop
from rig.pair import Rig

pytestmark = [pytest.mark.rig, pytest.mark.asyncio(loop_scope="module")]

SERVER = """
import http.server
server = http.server.HTTPServer(("", 0), http.server.SimpleHTTPRequestHandler)
print(server.server_port, flush=True)
server.serve_forever()
"""


async def test_the_laptops_reach_each_other_by_name(rig: Rig) -> None:
    """Each answers the other's ping."""
    first, second = rig.laptops
    await first.run("busybox", "ping", "-c", "1", second.name)
    await second.run("busybox", "ping", "-c", "1", first.name)


@pytest.mark.parametrize("direction", [1, -1])
async def test_http_between_them(rig: Rig, direction: int) -> None:
    """A server on either is reached from the other."""
    server, client = rig.laptops[::direction]
    await server.run("sh", "-c", "mkdir -p ~/www && echo found > ~/www/page")
    async with server.spawn("sh", "-c", 'cd ~/www && exec python -c "$0"', SERVER) as process:
        port = (await process.stdout.readline()).decode().strip()
        page = await client.run("busybox", "wget", "-qO-", f"http://{server.name}:{port}/page")
    assert page.text == "found"


async def test_nothing_leads_out(rig: Rig) -> None:
    """A laptop has the loopback and that Ethernet, and no route beyond."""
    for laptop in rig.laptops:
        assert await interfaces(laptop) == {"lo", "vec0"}
        routes = await laptop.run("busybox", "ip", "route")
        assert [line.split()[0] for line in routes.text.splitlines()] == ["10.77.0.0/24"]


async def interfaces(laptop: Laptop) -> set[str]:
    """The names of its network interfaces."""
    return set((await laptop.run("ls", "/sys/class/net")).text.split())
