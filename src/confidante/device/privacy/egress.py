"""The one place on a device that opens a connection outward: it sends what the ledger holds.

HTTP over the standard library. A request is rendered whole, every header included, written into the ledger,
and then sent as those very bytes. For https the ledger holds the bytes inside TLS: the handshake around
them, which names the host, is made by the operating system's TLS library before. http goes to this device
itself only.

No redirects, no proxies. A response is limited in bytes and in time as a whole, so a server that drips or
floods is an EgressError, never a hang. The one step without a limit of ours is the look-up of a host's
name, which is the operating system's.
"""

import hashlib
import http.client
import io
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self, cast, final

from confidante.core.errors import ConsentError, EgressError
from confidante.device.privacy.http_request import HttpRequest, Method, render
from confidante.device.privacy.ledger import Ledger
from confidante.device.values import Purpose

TIMEOUT = 20.0
"""Seconds from connecting to the last byte of the response."""

MOST_BYTES = 32 << 20
"""Bytes of a response, its headers included."""

_SHOWN = 200


@final
@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered: its status (200 to 299, 304, or 400 to 599) and its body."""

    status: int
    body: bytes


@final
class GuardedSocket:
    """A connected socket that sends the bytes of one departure, in order, and refuses any other.

    The ledger is asked before anything, and marks the departure as sent, durably, before its first byte
    leaves.
    """

    def __init__(
        self,
        connected: socket.socket,
        ledger: Ledger,
        number: int,
        data: bytes,
        *,
        timeout: float = TIMEOUT,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """Guard `connected`; EgressError or ConsentError, with nothing sent, as `Ledger.check` says.

        data: all bytes of departure `number`. timeout: seconds for all that is sent and received together.
        """
        ledger.check(number, data)
        self._socket = connected
        self._ledger = ledger
        self._number = number
        self._data = data
        self._sent = 0
        self._begun = False
        self._end = time.monotonic() + timeout
        self._most = most_bytes
        self._received = 0

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Send some of `data`, which must be what comes next; return how many bytes left."""
        wanted = bytes(data)
        if wanted != self._data[self._sent : self._sent + len(wanted)]:
            raise EgressError(
                f"{len(wanted)} bytes are not what comes next in number {self._number} of the ledger: not "
                f"sent"
            )
        if not self._begun:
            self._ledger.begin_sending(self._number, self._data)
            self._begun = True
        self._socket.settimeout(self._left())
        gone = self._socket.send(wanted)
        self._sent += gone
        return gone

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`, which must be what comes next."""
        rest = memoryview(bytes(data))
        while rest:
            rest = rest[self.send(rest) :]

    def recv_into(self, buffer: bytearray | memoryview) -> int:
        """Receive into `buffer`, return how many bytes; EgressError when they are too many or too late."""
        self._socket.settimeout(self._left())
        came = self._socket.recv_into(buffer)
        self._received += came
        if self._received > self._most:
            raise EgressError(f"the server sent more than {self._most} bytes: the connection was ended")
        return came

    def makefile(self, mode: str = "rb") -> io.BufferedReader:
        """Return a reader of what comes back (for `http.client`); there is no writer."""
        if mode != "rb":
            raise EgressError("a guarded socket is written to by send and sendall only")
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise EgressError("the server took too long: the connection was ended")
        return left


@final
class _Reader(io.RawIOBase):
    def __init__(self, guarded: GuardedSocket) -> None:
        self._guarded = guarded

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._guarded.recv_into(buffer)


@final
class Egress:
    """Sends what the ledger holds."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        timeout: float = TIMEOUT,
        most_bytes: int = MOST_BYTES,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Use `tls` in place of the system's certificates, where an operator has its own."""
        self._ledger = ledger
        self._timeout = timeout
        self._most = most_bytes
        self._tls = tls
        self._guard = threading.Lock()
        self._current: socket.socket | None = None
        self._stopped = False

    def stop(self) -> None:
        """End the request that is under way in another thread, and refuse any later one."""
        with self._guard:
            self._stopped = True
            if self._current is not None:
                with suppress(OSError):  # it was closed meanwhile
                    socket.socket.shutdown(self._current, socket.SHUT_RDWR)  # beneath TLS, which may be busy

    def request(
        self,
        method: Method,
        url: str,
        body: bytes = b"",
        *,
        purpose: Purpose,
        task: str,
        content: Any,
        visible: str,
        content_type: str = "application/octet-stream",
        bearer: bytes = b"",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Response:
        """Write a request into the ledger, send it, return the answer; its digest becomes the receipt.

        Raises ConsentError when the purpose is switched off, EgressError when it could not be sent or
        answered.
        """
        made = render(method, url, body, content_type=content_type, bearer=bearer, headers=headers)
        departure = self._ledger.write(
            purpose, task, made.destination, made.data, content, f"{visible} {made.seen}"
        )
        return self.deliver(departure.number, made)

    def deliver(self, number: int, request: HttpRequest) -> Response:
        """Send a request that the ledger holds as `number`, and return the answer."""
        with self.send(number, request.data, lambda: self._connect(request)) as guarded, self._noting(number):
            answer = http.client.HTTPResponse(cast(socket.socket, guarded), method=request.method)
            try:
                answer.begin()
                body = answer.read(self._most)
                if answer.length:
                    raise EgressError(f"the server's answer ends {answer.length} bytes early")
            finally:
                answer.close()
            if not (200 <= answer.status <= 299 or answer.status == 304 or 400 <= answer.status <= 599):
                raise EgressError(
                    f"the server answered {answer.status} (a redirect, or not a final answer): refused"
                )
        self._ledger.attach_receipt(
            number,
            {"status": answer.status, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()},
        )
        return Response(answer.status, body)

    def send(self, number: int, data: bytes, connect: Callable[[], socket.socket]) -> GuardedSocket:
        """Connect, send all of departure `number`, and return the guarded socket to read from. Close it."""
        self._ledger.check(number, data)
        begun = time.monotonic()
        with self._noting(number):
            connected = connect()
            try:
                left = self._timeout - (time.monotonic() - begun)
                guarded = GuardedSocket(
                    connected, self._ledger, number, data, timeout=left, most_bytes=self._most
                )
                guarded.sendall(data)
            except BaseException:
                connected.close()
                raise
        return guarded

    @contextmanager
    def _noting(self, number: int) -> Iterator[None]:
        """Make one EgressError of whatever the network does, and note it in the ledger."""
        try:
            yield
        except (EgressError, ConsentError) as error:
            self._ledger.fail(number, str(error))
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = f"{type(error).__name__}: {str(error)[:_SHOWN]}"
            self._ledger.fail(number, why)
            where = self._ledger.departure(number).destination
            raise EgressError(
                f"{where} could not be reached, or did not answer: {why}; check the address and the network, "
                f"and try again (number {number} of the ledger)"
            ) from error

    def _connect(self, request: HttpRequest) -> socket.socket:
        end = time.monotonic() + self._timeout
        found = socket.getaddrinfo(request.host, request.port, type=socket.SOCK_STREAM)
        problem: OSError = OSError(f"{request.host} cannot be found: check the address")
        for family, kind, protocol, _name, address in found:
            if not request.tls and not ipaddress.ip_address(address[0]).is_loopback:
                raise EgressError(f"{request.host} is not this device: only https is used for other machines")
            plain = socket.socket(family, kind, protocol)
            try:
                plain.settimeout(max(end - time.monotonic(), 1e-3))
                self._watch(plain)
                plain.connect(address)
                plain.settimeout(max(end - time.monotonic(), 1e-3))
                if request.tls:
                    plain = self._shake_hands(plain, request.host)
            except OSError as error:
                plain.close()
                problem = error
            except BaseException:
                plain.close()
                raise
            else:
                return plain
        raise problem

    def _shake_hands(self, plain: socket.socket, host: str) -> socket.socket:
        context = self._tls or ssl.create_default_context()
        secure = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        try:
            self._watch(secure)
            secure.do_handshake()
        except BaseException:
            secure.close()
            raise
        return secure

    def _watch(self, connecting: socket.socket) -> None:
        """Let `stop` reach this connection; EgressError when all was stopped before."""
        with self._guard:
            if self._stopped:
                raise EgressError("sending was stopped on this device: nothing more is sent")
            self._current = connecting
