"""The `confidante` command. Importing this costs nothing; each command imports what it needs."""

import sys
from io import TextIOWrapper

_EXTRA = {
    **dict.fromkeys(("dp_accounting", "matplotlib", "polars", "scipy"), "lab"),
    **dict.fromkeys(
        (
            "fastapi",
            "jinja2",
            "keyring",
            "multipart",
            "python_multipart",
            "rich",
            "starlette",
            "typer",
            "uvicorn",
        ),
        "device",
    ),
    **dict.fromkeys(("alembic", "fsspec", "prometheus_client", "psycopg", "sqlalchemy"), "server"),
    **dict.fromkeys(("pyhpke", "seal"), "he"),
    "dateutil": "gorse",
    "httpx": "relay",
    "ray": "ray",
}
"""Extra by the module that it brings."""


def main() -> None:
    """Run the command line and exit: 0 when all is well, 2 for what the caller can mend, 130 for Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # an id that the terminal cannot show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    try:
        from confidante.cli.app import run

        code = run(sys.argv[1:])
    except ModuleNotFoundError as error:
        extra = _EXTRA.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        sys.stderr.write(
            f"confidante: error: {error.name} is not installed: this command needs the {extra} extra; "
            f"install confidante[{extra}]\n"
        )
        code = 2
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
