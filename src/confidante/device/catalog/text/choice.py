"""Which encoder to take: each is imported only when it is wanted."""

from confidante.core.errors import DataError
from confidante.device.catalog.text.encoder import TextEncoder

NAMES = ("wordllama", "words")


def best_available() -> TextEncoder:
    """Return the word vectors of the text extra where it is installed, else hashed words."""
    try:
        return encoder_named("wordllama")
    except ModuleNotFoundError:
        return encoder_named("words")


def encoder_named(name: str) -> TextEncoder:
    """Return the encoder of that name: one of `NAMES`.

    Raises DataError for an unknown name and for damaged files, ModuleNotFoundError when the text extra, which
    "wordllama" needs, is not installed.
    """
    match name:
        case "words":
            from confidante.device.catalog.text.hashed_words import Words

            return Words()
        case "wordllama":
            from confidante.device.catalog.text.wordllama import WordLlama

            return WordLlama.installed()
    raise DataError(f"there is no text encoder {name!r}: take one of {', '.join(NAMES)}")
