"""`confidante open`: serve the page and the local API on the loopback address, until Ctrl-C."""

import socket
import sys
import webbrowser
from contextlib import ExitStack
from typing import TYPE_CHECKING

import uvicorn

from confidante.core.errors import DataError
from confidante.device.web.app import make_app
from confidante.device.web.connections import CONNECTIONS, LocalHttpProtocol
from confidante.device.web.private_folders import opening_file, sweep
from confidante.device.web.security import Gate, new_api_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from confidante.device.device import Device
    from confidante.device.web.gorse import GorseConfig

HOST = "127.0.0.1"


def open_page(
    device: "Device",
    *,
    port: int = 0,
    browser: bool = True,
    new_key: bool = False,
    user: str = "me",
    gorse: "GorseConfig | None" = None,
) -> None:
    """Serve until Ctrl-C, or until everything is erased on the page. Prints the address, which works once.

    port: 0 takes any free one; an app that uses the API wants a fixed one. browser: open it there as well,
    by a private file in the profile's folder, which goes when it was used.
    new_key: make an API key in place of an earlier one, and print it once. user: the name that apps may use
    for the person, beside "me". gorse: have the endpoints of Gorse's API as well, which read feedback so;
    needs `confidante[gorse]`. Raises `DataError` when the port is taken.
    """
    key = new_api_key(device.settings) if new_key else None
    opened = ExitStack()  # ends with the use of the link, or with the server

    def say(link: str) -> None:
        write = sys.stdout.write
        write(f"Open this once, in your browser: {link}\n")
        if key is not None:
            write(f"API key, shown only now: {key}\nSend it as X-API-Key to {link.partition('/?')[0]}/api/\n")
        write("Ctrl-C closes it.\n")
        sys.stdout.flush()
        if browser:
            # A file, as others on this machine see the command that starts a browser, and so its address.
            webbrowser.open(opened.enter_context(opening_file(device.folder, link)).as_uri())

    with opened:
        serve(device, port=port, user=user, gorse=gorse, started=say, followed=opened.close)


def serve(
    device: "Device",
    *,
    port: int = 0,
    user: str = "me",
    gorse: "GorseConfig | None" = None,
    started: "Callable[[str], None]" = lambda _: None,
    stopper: "Callable[[Callable[[], None]], None]" = lambda _: None,
    followed: "Callable[[], None]" = lambda: None,
) -> None:
    """Serve in this thread.

    started: told the address; stopper: told how to end it from another thread; followed: called when the
    address was used, which works once.
    """
    sweep(device.folder)
    with _listen(port) as listening:
        gate = Gate(listening.getsockname()[1], device.settings, followed)
        servers: list[uvicorn.Server] = []

        def stop() -> None:
            for server in servers:
                server.should_exit = True

        app = make_app(device, gate, user=user, gorse=gorse, stop=stop, ready=lambda: started(gate.link()))
        config = uvicorn.Config(
            app,
            http=LocalHttpProtocol,
            access_log=False,  # a log of requests is a copy of the history
            log_config=None,  # uvicorn's own would close the handlers that the app has
            log_level="error",
            server_header=False,
            date_header=False,
            proxy_headers=False,
            ws="none",
            limit_concurrency=CONNECTIONS,
            lifespan="on",
            timeout_graceful_shutdown=2,
        )
        servers.append(uvicorn.Server(config))
        stopper(stop)
        servers[0].run(sockets=[listening])


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        raise DataError(f"cannot listen on {HOST}, port {port}: {error}; take another port") from error
