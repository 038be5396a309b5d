"""The guarded socket and HTTP over it.

Exactly what the ledger holds leaves, and no answer can hang or mislead us.
"""

import datetime
import hashlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from outward_world import Home, home

from confidante.core.errors import ConsentError, EgressError
from confidante.device.privacy.consent import PERSON
from confidante.device.privacy.egress import Egress, GuardedSocket, Response
from confidante.device.privacy.http_request import render
from confidante.device.privacy.ledger import EgressState
from confidante.device.values import Purpose

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

Behaviour = Callable[[socket.socket], None]


class Server:
    """Recommender each connection on loopback as a test says, and keeps all that it received."""

    def __init__(self, behave: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[bytes] = []
        self._behave = behave
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connected, _ = self._listening.accept()
            except OSError:
                return
            with connected:
                connected.settimeout(5)
                try:
                    speaking = self._tls.wrap_socket(connected, server_side=True) if self._tls else connected
                    with speaking:
                        self.received.append(_whole_request(speaking))
                        self._behave(speaking)
                except OSError:
                    continue

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


def _whole_request(speaking: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = speaking.recv(65536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    wanted = next(
        (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < wanted:
        body += speaking.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def serving(answer: bytes | Behaviour = OK, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    behave = (lambda speaking: speaking.sendall(answer)) if isinstance(answer, bytes) else answer
    server = Server(behave, tls)
    try:
        yield server
    finally:
        server.close()


def post(at: Home, url: str, body: bytes = b"body", **more: object) -> Response:
    egress = Egress(at.ledger, **{"timeout": 1.0, "most_bytes": 4096, **more})  # type: ignore[arg-type]
    return egress.request(
        "POST", url, body, purpose=Purpose.TRAIN, task="greeting", content={"a": 1}, visible="That you greet."
    )


def test_the_server_gets_exactly_the_bytes_that_the_ledger_held_before(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at, serving() as server:
        assert post(at, f"http://127.0.0.1:{server.port}/sums?x=1", b"\x00body") == Response(200, b"hi")
        [got] = server.received
        [one] = at.ledger.departures()
        assert (one.size, one.digest) == (len(got), hashlib.sha256(got).digest())
        assert one.state is EgressState.SENT
        assert one.destination == f"http://127.0.0.1:{server.port}"
        assert one.receipt == {"status": 200, "size": 2, "sha256": hashlib.sha256(b"hi").hexdigest()}
        at.ledger.verify()


def test_a_request_carries_nothing_that_describes_the_person_or_the_software() -> None:
    made = render("POST", "https://example.org/sums", b"xyz")
    assert made.data == (
        b"POST /sums HTTP/1.1\r\nHost: example.org\r\nAccept-Encoding: identity\r\nConnection: close\r\n"
        b"Content-Type: application/octet-stream\r\nContent-Length: 3\r\nSec-GPC: 1\r\n\r\nxyz"
    )
    assert made.destination == "https://example.org"
    assert "example.org" in made.seen
    assert "network address" in made.seen
    assert b"Content" not in render("GET", "https://example.org").data


def test_with_the_switch_off_no_connection_is_even_tried(tmp_path: Path) -> None:
    with home(tmp_path / "new") as at, serving() as server:
        with pytest.raises(ConsentError):
            post(at, f"http://127.0.0.1:{server.port}/")
        made = None
        at.consents.switch(Purpose.TRAIN, True, how=PERSON)
        request = render("POST", f"http://127.0.0.1:{server.port}/", b"later")
        made = at.write(request.data)
        at.consents.switch(Purpose.TRAIN, False, how=PERSON)
        with pytest.raises(ConsentError):
            Egress(at.ledger).deliver(made.number, request)
        assert server.received == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "http://127.0.0.1.example.org/",
        "http://10.0.0.1/",
        "http://[::2]/",
        "ftp://example.org/",
        "//example.org/",
        "file:///etc/hosts",
        "https://",
        "https://user:secret@example.org/",
        "https://example.org/#here",
        "https://example.org/a b",
        "https://example.org/a\r\nX-More: 1",
        "https://exämple.org/",
        "https://example.org:70000/",
        "https://[::1/",
        "",
    ],
)
def test_an_address_that_is_not_plainly_https_or_this_device_is_refused(tmp_path: Path, url: str) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        with pytest.raises(EgressError):
            post(at, url)
        assert at.ledger.departures() == ()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_this_device_is_spoken_to_without_tls(host: str) -> None:
    assert not render("GET", f"http://{host}:8000/").tls


def test_a_closed_door_is_an_error_and_a_failed_departure(tmp_path: Path) -> None:
    with serving() as server:
        port = server.port
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        with pytest.raises(EgressError, match="could not be reached"):
            post(at, f"http://127.0.0.1:{port}/")
        [one] = at.ledger.departures()
        assert one.state is EgressState.FAILED
        assert "Refused" in one.receipt["error"]


HOSTILE: dict[str, bytes | Behaviour] = {
    "closes at once": b"",
    "redirects": b"HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n",
    "not HTTP": b"SSH-2.0-OpenSSH\r\n",
    "status beyond all": b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    "early hints only": b"HTTP/1.1 103 Early\r\n\r\n",
    "ends early": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi",
    "claims too much": b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999999\r\n\r\nhi",
    "sends too much": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 9000,
    "endless header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000,
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    "endless continue": b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    "broken chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi",
    "huge chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nhi",
    "unended chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
}


def drip(speaking: socket.socket) -> None:
    for _ in range(100):
        speaking.sendall(b"H")
        time.sleep(0.05)


def stay_silent(speaking: socket.socket) -> None:
    speaking.recv(1)


HOSTILE |= {"drips": drip, "says nothing": stay_silent}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_answer_is_an_error_and_never_a_hang(tmp_path: Path, answer: bytes | Behaviour) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at, serving(answer) as server:
        started = time.monotonic()
        with pytest.raises(EgressError):
            post(at, f"http://127.0.0.1:{server.port}/")
        assert time.monotonic() - started < 4
        [one] = at.ledger.departures()
        assert one.state is EgressState.SENT  # its bytes did leave
        assert one.receipt["error"]
        at.ledger.verify()


def test_connecting_and_answering_share_one_limit_of_time(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at, serving(stay_silent) as server:
        data = b"hello"
        number = at.write(data).number

        def connect_late() -> socket.socket:
            time.sleep(0.8)
            return socket.create_connection(("127.0.0.1", server.port))

        with Egress(at.ledger, timeout=1.0).send(number, data, connect_late) as guarded:
            started = time.monotonic()
            with pytest.raises((EgressError, TimeoutError)):
                guarded.recv_into(bytearray(1))
            assert time.monotonic() - started < 0.7


@given(
    answer=st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=200).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail),
        st.binary(max_size=200).map(
            lambda tail: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + tail
        ),
    )
)
def test_any_bytes_are_an_answer_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, answer: bytes
) -> None:
    with home(tmp_path_factory.mktemp("fuzz") / "new", Purpose.TRAIN) as at, serving(answer) as server:
        try:
            got = post(at, f"http://127.0.0.1:{server.port}/")
        except EgressError:
            assert at.ledger.departure(1).receipt["error"]
        else:
            assert got.body in answer or b"chunked" in answer


def pair(at: Home, data: bytes) -> tuple[GuardedSocket, socket.socket]:
    near, far = socket.socketpair()
    far.settimeout(1)
    return GuardedSocket(near, at.ledger, at.write(data).number, data), far


def test_a_guarded_socket_sends_in_pieces_what_it_may_and_nothing_else(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        guarded, far = pair(at, b"hello world")
        with guarded, far:
            assert at.ledger.departure(1).state is EgressState.WRITTEN
            with pytest.raises(EgressError, match="not what comes next"):
                guarded.sendall(b"world")
            assert at.ledger.departure(1).state is EgressState.WRITTEN
            guarded.sendall(b"hello")
            assert at.ledger.departure(1).state is EgressState.SENT
            for wrong in (b"hello", b"world", b" world!", b" World"):
                with pytest.raises(EgressError, match="not what comes next"):
                    guarded.send(wrong)
            guarded.sendall(memoryview(b" world"))
            with pytest.raises(EgressError, match="not what comes next"):
                guarded.send(b"!")
            assert far.recv(100) == b"hello world"


@given(pieces=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=8))
def test_whatever_slices_are_tried_the_far_end_sees_a_beginning_of_the_departure(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[int, int]]
) -> None:
    data = b"abcdefghijkl"
    with home(tmp_path_factory.mktemp("slices") / "new", Purpose.TRAIN) as at:
        guarded, far = pair(at, data)
        with far:
            with guarded:
                for start, stop in pieces:
                    try:
                        guarded.sendall(data[start:stop])
                    except EgressError:
                        continue
            assert data.startswith(far.recv(100))


def test_a_socket_is_guarded_only_for_what_is_written_and_unsent(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        near, far = socket.socketpair()
        with near, far:
            made = at.write(b"hello")
            for number, data in ((99, b"hello"), (made.number, b"bye")):
                with pytest.raises(EgressError, match="does not hold"):
                    GuardedSocket(near, at.ledger, number, data)
            at.ledger.begin_sending(made.number, b"hello")
            with pytest.raises(EgressError, match="sent already"):
                GuardedSocket(near, at.ledger, made.number, b"hello")


def test_two_sockets_cannot_send_one_departure(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        guarded, far = pair(at, b"hello")
        other, far_other = socket.socketpair()
        with guarded, far, far_other, GuardedSocket(other, at.ledger, 1, b"hello") as second:
            guarded.sendall(b"hello")
            with pytest.raises(EgressError, match="sent already"):
                second.sendall(b"hello")


def test_there_is_no_other_way_to_write_to_a_guarded_socket(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        guarded, far = pair(at, b"hello")
        with guarded, far, pytest.raises(EgressError, match="send and sendall only"):
            guarded.makefile("wb")


def certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36_500))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_over_tls_the_ledger_holds_what_is_inside_and_a_stranger_gets_none_of_it(tmp_path: Path) -> None:
    both = certificate(tmp_path)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(both)
    with home(tmp_path / "new", Purpose.TRAIN) as at, serving(tls=theirs) as server:
        url = f"https://127.0.0.1:{server.port}/sums"
        with pytest.raises(EgressError, match="CERTIFICATE_VERIFY_FAILED"):
            post(at, url)
        assert at.ledger.departure(1).state is EgressState.FAILED
        assert server.received == []
        ours = ssl.create_default_context(cafile=str(both))
        assert post(at, url, tls=ours) == Response(200, b"hi")
        assert hashlib.sha256(server.received[0]).digest() == at.ledger.departure(2).digest
