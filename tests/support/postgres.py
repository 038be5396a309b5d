"""A PostgreSQL server of the tests' own: in a temporary folder, on a socket there, gone at the end."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

_ACCOUNTS = ("postgres", "nobody")


class NoPostgresError(Exception):
    """There is none to start."""


class Postgres:
    """A running server. `database` returns the address of an empty one."""

    def __init__(self) -> None:
        """Make a cluster and start it; NoPostgresError where there is none to start."""
        self._programs = _programs()
        self._account = _account()
        self._made = 0
        self._server: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="cfd-pg-"))
        try:
            if self._account is not None:
                os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
            command = ["initdb", "--pgdata", "data", "--username", "tests", "--auth", "trust"]
            self._make([*command, "--no-sync", "--encoding", "UTF8", "--locale", "C"])
            self.start()
        except BaseException:
            self.remove()
            raise

    def _make(self, command: list[str]) -> None:
        if self._run(command).wait() != 0:
            raise NoPostgresError(f"initdb fails: {self._log()}")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "fsync": "off"}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._server = self._run(["postgres", "-D", "data", *settings])
        end = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self._address()).close()
            except psycopg.OperationalError:
                if self._server.poll() is not None or time.monotonic() > end:
                    raise NoPostgresError(f"postgres does not start: {self._log()}") from None
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Stop the server as an operator in a hurry does: it goes at once and recovers when it starts."""
        assert self._server is not None
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait()

    def stop(self) -> None:
        """Stop the server as an operator does: what runs is cut off, and the rest is put in order."""
        assert self._server is not None
        self._server.send_signal(signal.SIGINT)
        self._server.wait()

    def database(self) -> str:
        """Return the address of an empty place of its own: a schema, which is made and removed in no time."""
        self._made += 1
        with psycopg.connect(self._address(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA test_{self._made}".encode())
        return f"{self._address()}&options=-csearch_path%3Dtest_{self._made}"

    def remove(self) -> None:
        """Stop the server and remove all of it."""
        if self._server is not None and self._server.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _address(self) -> str:
        return f"postgresql://tests@/postgres?host={self.folder}"

    def _run(self, command: list[str]) -> "subprocess.Popen[bytes]":
        who = {}
        if self._account is not None:
            who = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": ()}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(self._programs / command[0]), *command[1:]],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **who,
            )

    def _log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-1000:]


def _programs() -> Path:
    """Return the folder of initdb and postgres."""
    given = os.environ.get("CONFIDANTE_POSTGRES")
    found = [Path(given)] if given else []
    found += [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in found:
        if os.access(folder / "initdb", os.X_OK) and os.access(folder / "postgres", os.X_OK):
            return folder.resolve() if not (folder / "postgres").is_symlink() else _behind(folder)
    raise NoPostgresError("no PostgreSQL here: run tools/setup_postgres.sh")


def _behind(folder: Path) -> Path:
    """Return where the programs really are: they look for their files from there."""
    return (folder / "postgres").resolve().parent


def _account() -> pwd.struct_passwd | None:
    """Return whom to run the server as: PostgreSQL refuses to run as root. None: as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoPostgresError("PostgreSQL does not run as root, and there is no account to run it as")
