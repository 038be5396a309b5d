"""Without TLS or a proxy in front a coordinator answers its own machine only, unless told so in words."""

from pathlib import Path

import pytest

from confidante.coordinator.server.serve import CoordinatorSettings, serve
from confidante.core.errors import DataError


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "rounds.example.org"])
def test_another_address_than_this_machine_is_refused(host: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--insecure-http"):
        serve(
            CoordinatorSettings((), f"sqlite:///{tmp_path}/c.db", f"file://{tmp_path}/b", host=host, port=0)
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "given",
    [
        {"host": "127.0.0.1"},
        {"host": "::1"},
        {"host": "localhost"},
        {"host": "192.0.2.1", "proxies": "192.0.2.2"},
        {"host": "192.0.2.1", "insecure_http": True},
    ],
)
def test_this_machine_a_named_proxy_or_the_operators_word_will_do(given: dict, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("a file, where a folder is needed")
    with pytest.raises(Exception, match="cannot keep bodies"):  # what is looked at next
        serve(CoordinatorSettings((), f"sqlite:///{tmp_path}/c.db", f"file://{tmp_path}/b/b", **given))
