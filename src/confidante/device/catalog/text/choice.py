"""Which encoder to take: each is imported only when it is wanted."""

from pathlib import Path

from confidante.core.errors import DataError
from confidante.device.catalog.text.encoder import TextEncoder

NAMES = ("wordllama", "words", "minilm")


def best_available() -> TextEncoder:
    """Return the word vectors of the text extra when it is installed, else hashed words, which need nothing.

    MiniLM is better with sentences and a hundred times slower: it is used only when asked for by name.
    """
    try:
        return encoder_named("wordllama")
    except ModuleNotFoundError:
        return encoder_named("words")


def encoder_named(name: str, *, tokenizer: Path | None = None) -> TextEncoder:
    """Return the encoder of that name: one of `NAMES`.

    tokenizer: for "minilm" only, its tokenizer.json. Raises DataError for an unknown name and for
    damaged files, ModuleNotFoundError when the extra that it needs (text, text-minilm) is not installed.
    """
    match name:
        case "words":
            from confidante.device.catalog.text.hashed_words import Words

            return Words()
        case "wordllama":
            from confidante.device.catalog.text.wordllama import WordLlama

            return WordLlama.installed()
        case "minilm":
            from confidante.device.catalog.text.minilm import MiniLM

            return MiniLM.installed(tokenizer)
    raise DataError(f"there is no text encoder {name!r}: take one of {', '.join(NAMES)}")
