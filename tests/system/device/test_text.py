"""Text vectors: the same everywhere, near for what is alike, about zero for what is not, and no network."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from confidante.core.errors import DataError
from confidante.core.values import Item
from confidante.device.catalog.text import (
    TextEncoder,
    best_available,
    encoder_named,
    fit_projection,
    item_text,
    project,
    text_vectors,
)
from confidante.device.catalog.text.encoder import load_tokenizer, package_folder
from confidante.device.catalog.text.wordllama import WordLlama, read_matrix
from confidante.packs.media import MEDIA

WORDS = encoder_named("words")
LLAMA = encoder_named("wordllama")
BOTH = pytest.mark.parametrize("encoder", [WORDS, LLAMA], ids=lambda encoder: encoder.name)
LIBRARY = [
    Item("1", "Garden of Roses (1999)", ("Gardening",), "How to grow roses in a small garden."),
    Item("2", "Growing Roses (2003)", ("Gardening",), "Roses, from soil to flower."),
    Item("3", "War at Sea (1980)", ("War",), "Battleships and submarines of a long war."),
    Item("4", "Submarine (2001)", ("War",), "A submarine crew at war."),
    Item("5", "Bread and Butter (2010)", ("Cooking",), "Baking bread at home."),
    Item("6", "", (), ""),
]


@BOTH
@given(texts=st.lists(st.text(max_size=60), max_size=5))
def test_rows_have_length_one_or_are_zero_and_do_not_depend_on_their_neighbours(
    encoder: TextEncoder, texts: list[str]
) -> None:
    rows = encoder.encode(texts)
    assert rows.shape == (len(texts), encoder.dimensions)
    assert rows.dtype == np.float32
    norms = np.linalg.norm(rows, axis=1)
    assert np.all((np.abs(norms - 1) < 1e-5) | (norms == 0))
    for text, row in zip(texts, rows, strict=True):
        np.testing.assert_allclose(encoder.encode([text])[0], row, atol=1e-6)


@BOTH
def test_empty_texts_and_ten_megabytes_of_text(encoder: TextEncoder) -> None:
    rows = encoder.encode(["", "  \n ", "rose " * (2 << 20), "\ud800"])
    assert not rows[:2].any()
    assert rows[2].any()
    assert encoder.encode([]).shape == (0, encoder.dimensions)


@BOTH
def test_many_texts_are_encoded_as_one_by_one(encoder: TextEncoder) -> None:
    texts = [f"garden {k} of roses" if k % 7 else "" for k in range(5000)]
    rows = encoder.encode(texts)
    assert not rows[::7].any()
    np.testing.assert_allclose(rows[[1, 4999]], encoder.encode([texts[1], texts[4999]]), atol=1e-6)


def test_hashed_words_are_the_same_on_every_machine() -> None:
    row = WORDS.encode(["Garden of Roses"])[0]
    largest = np.argsort(-np.abs(row))[:2]
    assert sorted(largest.tolist()) == [138, 234]
    assert row[[138, 234]] == pytest.approx([0.52927, -0.36934], abs=1e-4)


def test_hashed_words_see_stems_accents_and_case_but_not_words_that_are_everywhere() -> None:
    rows = WORDS.encode(["gardening", "gardener", "submarine", "GÄRDENING", "the of and"])
    assert rows[0] @ rows[1] > 0.2 > abs(rows[0] @ rows[2])
    np.testing.assert_array_equal(rows[0], rows[3])
    assert not rows[4].any()


@BOTH
def test_alike_items_are_near_and_unrelated_ones_about_zero(encoder: TextEncoder) -> None:
    rows = text_vectors(encoder, LIBRARY).rows
    near = rows @ rows.T
    assert near[0, 1] > 0.2
    assert near[2, 3] > 0.2
    assert max(near[0, 2], near[0, 3], near[1, 2], near[4, 0], near[4, 3]) < 0.1
    assert not rows[5].any()


@BOTH
def test_a_new_item_changes_nothing_for_the_others(encoder: TextEncoder) -> None:
    whole = text_vectors(encoder, LIBRARY)
    later = text_vectors(encoder, LIBRARY[2:4], whole.mean)
    np.testing.assert_allclose(later.rows, whole.rows[2:4], atol=1e-6)
    np.testing.assert_array_equal(later.mean, whole.mean)
    assert text_vectors(encoder, LIBRARY[:1]).rows.any()  # a library of one item
    assert text_vectors(encoder, []).rows.shape == (0, encoder.dimensions)
    with pytest.raises(DataError, match="does not fit the encoder"):
        text_vectors(encoder, LIBRARY, np.zeros(7, np.float32))


def test_the_text_of_an_item() -> None:
    item = Item("1", "Roses (1999)", ("Garden", "1995-1999"), "word " * 100)
    assert item_text(item, split_title=MEDIA.split_title) == "Roses. Garden 1995-1999. " + " ".join(
        ["word"] * 64
    )
    assert (
        item_text(Item("1", "Roses (1999)", ("Garden",)), labels=False, split_title=MEDIA.split_title)
        == "Roses"
    )
    assert item_text(Item("1", "")) == ""


def test_a_projection_keeps_what_differs_most_and_is_always_the_same() -> None:
    rng = np.random.default_rng(0)
    inner = rng.normal(size=(500, 8)).astype(np.float32)
    rows = (inner @ rng.normal(size=(8, 32))).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    projection = fit_projection(rows, 8)
    np.testing.assert_allclose(projection.axes.T @ projection.axes, np.eye(8), atol=1e-5)
    np.testing.assert_allclose(
        project(rows, projection) @ project(rows, projection).T, rows @ rows.T, atol=1e-4
    )
    shuffled = fit_projection(rows[rng.permutation(500)], 8)
    np.testing.assert_allclose(shuffled.axes, projection.axes, atol=1e-3)
    assert np.all(np.diff(projection.variance) <= 0)
    assert fit_projection(rows[:3], 64).axes.shape == (32, 32)
    assert np.isfinite(project(np.zeros((2, 32), np.float32), projection)).all()
    with pytest.raises(DataError, match="do not fit"):
        project(rows[:, :5], projection)
    with pytest.raises(DataError, match="keeps nothing"):
        fit_projection(rows, 0)


def test_word_vectors_are_the_mean_of_the_tokens_of_the_package() -> None:
    assert isinstance(LLAMA, WordLlama)
    folder = package_folder("wordllama")
    matrix = read_matrix(folder / "weights" / "l2_supercat_256.safetensors")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    ids = tokenizer.encode("Garden of Roses", add_special_tokens=False).ids
    mean = np.asarray(matrix[ids], np.float32).mean(axis=0)
    np.testing.assert_allclose(LLAMA.encode(["Garden of Roses"])[0], mean / np.linalg.norm(mean), atol=1e-6)


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 100, b"\x05" + b"\0" * 7 + b"[1,2]", b"\x02" + b"\0" * 7 + b"{}", b"\0" * 9]
)
def test_damaged_weights_are_a_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(DataError, match="safetensors"):
        read_matrix(tmp_path / "x.safetensors")


def test_damaged_tokenizers_and_unknown_names_are_clear_errors(tmp_path: Path) -> None:
    bad = tmp_path / "tokenizer.json"
    bad.write_text("[]")
    with pytest.raises(DataError, match="is not a tokenizer"):
        load_tokenizer(bad)
    with pytest.raises(DataError, match="there is no text encoder 'bert'"):
        encoder_named("bert")


NO_NETWORK = """
import sys
def refuse(event, arguments):
    if event.startswith("socket.") or event.startswith("urllib.") or event == "subprocess.Popen":
        raise SystemExit(f"{event} {arguments}")
sys.addaudithook(refuse)
from confidante.device.catalog.text import best_available, encoder_named
for encoder in (best_available(), encoder_named("words")):
    assert encoder.encode(["Garden of Roses"]).any()
print(best_available().name, *sorted(name for name in sys.modules if name.split(".")[0] in HEAVY))
"""


def test_no_socket_is_ever_opened_and_no_code_of_the_package_runs() -> None:
    heavy = '{"wordllama", "safetensors", "pydantic", "requests", "urllib3"}'
    ran = subprocess.run(
        [sys.executable, "-c", NO_NETWORK.replace("HEAVY", heavy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout.split()) == (0, ["wordllama"]), ran.stderr


def test_without_the_extra_hashed_words_are_taken() -> None:
    code = (
        "import sys; sys.modules['wordllama'] = None; sys.modules['tokenizers'] = None\n"
        "from confidante.device.catalog.text import best_available; print(best_available().name)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["words"], ran.stderr


def test_the_best_that_is_installed_is_taken() -> None:
    assert best_available().name == "wordllama"
