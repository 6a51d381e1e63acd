"""The server in this process, so that a test may change what it does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nearproof.daemon.backend import server
from nearproof.daemon.backend.app import App
from nearproof.daemon.backend.data_dir import open_data_dir
from nearproof.daemon.backend.policy import BackendPolicy
from nearproof.daemon.backend.service import Service
from nearproof.daemon.join import Joined


@asynccontextmanager
async def served(folder: Path, policy: BackendPolicy) -> AsyncIterator[Joined]:
    """What a laptop has that has joined it; SMS wait in the outbox."""
    with open_data_dir(folder) as data, server._listen("127.0.0.1", 0) as listener:
        ready = asyncio.Event()
        app = App(Service(data.store, data.issuer, policy, os.urandom))
        running = server._Server(server._config(app, data), ready.set)
        serving = asyncio.create_task(running.serve(sockets=[listener]))
        await ready.wait()
        pem, _, _ = data.tls.read_text().partition("-----BEGIN PRIVATE")
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        try:
            yield Joined(url, pem, data.issuer.public)
        finally:
            running.should_exit = True
            await serving
            app.close()
