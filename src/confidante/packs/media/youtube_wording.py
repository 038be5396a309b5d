# ruff: noqa: RUF001 - other scripts are the point here
"""How Google says "watched" in the language of an account, around the title of a video.

Takeout's JSON has it in one text with the title. What the titles of a file share says it best, since Google
changes its words; those that are known serve for short and mixed files.
"""

import re
from collections.abc import Iterable, Sequence
from math import ceil
from typing import final

_MOST = 0.9  # of the channels of a file must share what is taken for wording
_HALF = 0.5  # of the titles suffice for wording that is known
_CHANNELS = 6  # at least, so that it is not what their titles share by chance
_KNOWN = """
Watched {} | Viewed {} | {} angesehen | {} angeschaut | Vous avez regardé {} | Tu as regardé {} |
Has visto {} | Viste {} | Se vio {} | Hai guardato {} | Visualizzato: {} | Assistiu a {} |
Você assistiu {} | Viu {} | Obejrzano: {} | Obejrzano {} | Просмотрено видео {} | Просмотрено: {} |
Вы посмотрели видео {} | Ви дивилися відео {} | Переглянуто: {} | Переглянуто відео {} |
{} を視聴しました | {}を視聴しました | {} 을(를) 시청했습니다. | {}을(를) 시청했습니다. | {} 시청 |
观看了 {} | 观看了{} | 已观看 {} | 觀看了 {} | 觀看了「{}」 | 已觀看 {} | 看了 {} | Tittade på {} |
Du tittade på {} | Har tittat på {} | Så på {} | Så {} | Du så {} | Har set {} | Ați vizionat {} |
Ai vizionat {} | {} adlı videoyu izlediniz | {} adlı videoyu izledi | {} izlendi |
Je hebt naar {} gekeken | Je hebt {} bekeken | Je hebt gekeken naar {} | {} bekeken | {} gekeken |
Zhlédli jste video {} | Zhlédnuto: {} | Sledovali ste video {} | Pozreté: {} | {} katsottiin |
Katsoit videon {} | Katsottu: {} | Παρακολουθήσατε το βίντεο {} | Παρακολουθήσατε {} |
Έγινε παρακολούθηση του βίντεο {} | تمت مشاهدة {} . | تمت مشاهدة {} | شاهدت {} | צפית ב-{} |
צפית בסרטון {} | Megnézte: {} | Megtekintve: {} | {} megtekintve | Menonton {} | Ditonton {} |
Telah menonton {} | Đã xem {} | ดู {} | ดู {} แล้ว | รับชม {} | {} देखा गया | {} को देखा | {} देखा |
{} দেখা হয়েছে | {} দেখেছেন | {} பார்த்தீர்கள் | Гледахте {} | Гледано: {} | Гледали сте {} |
Gledali ste {} | Pogledali ste {} | Gledano: {} | Ogledali ste si {} | Vaatasite videot {} |
Skatījāties {} | Žiūrėjote {} | Has vist {} | Viches {} | {} ikusi duzu | {} را تماشا کردید |
Napanood ang {} | Pinanood ang {} | Umetazama {} | Nézted: {} | {} izlənildi | را تماشا کردید {} |
{} دیکھی | Megtekintette a következőt: {}
"""
_DEEDS = {"Liked {}": "like", "Disliked {}": "dislike", "Saved {}": "save", "Shared {}": "share"}

Template = tuple[str, str]
"""What stands before a title, and what behind it."""


def _templates(said: Iterable[str]) -> tuple[Template, ...]:
    parts = ((before, behind) for before, _, behind in (text.strip().partition("{}") for text in said))
    return tuple(sorted(parts, key=lambda pair: -len("".join(pair))))


_WATCHED = _templates(_KNOWN.split("|"))
_DONE = {template: kind for text, kind in _DEEDS.items() for template in _templates([text])}


@final
class Wording:
    """How one file says that a video was watched."""

    def __init__(self, titles: Sequence[tuple[str, str]]) -> None:
        """titles: the texts of the file's videos, each with the name of its channel."""
        texts = [text for text, _ in titles]
        self._one = next((one for one in _WATCHED if texts and _share(texts, one) > _HALF), None)
        by_channel = {channel or text: text for text, channel in titles}
        if self._one is None and len(by_channel) >= _CHANNELS:
            self._one = _shared(list(by_channel.values()))

    def read(self, text: str) -> tuple[str, str]:
        """Return the title within a text and the kind of event; an empty kind when it is another deed."""
        if self._one is not None and _fits(text, self._one):
            return _within(text, self._one), "view"
        for template, kind in (*_DONE.items(), *((one, "view") for one in _WATCHED)):
            if _fits(text, template) and (self._one is not None or kind == "view"):
                return _within(text, template), kind
        return text, "view" if self._one is None else ""


def _fits(text: str, template: Template) -> bool:
    before, behind = template
    return len(text) > len(before) + len(behind) and text.startswith(before) and text.endswith(behind)


def _within(text: str, template: Template) -> str:
    before, behind = template
    return text[len(before) : len(text) - len(behind)].strip()


def _share(texts: Sequence[str], template: Template) -> float:
    return sum(_fits(text, template) for text in texts) / max(1, len(texts))


def _shared(texts: Sequence[str]) -> Template | None:
    """Return what stands before and behind most texts, up to where a word ends; None when nothing does."""
    before = re.sub(r"[^\W\d_]*$", "", _beginning(sorted(texts)))
    turned = _beginning(sorted(text[::-1] for text in texts))[::-1]
    behind = re.sub(
        r"^[a-zA-Z\u00c0-\u1fff]*", "", turned
    )  # letters of scripts that have spaces between words
    return (before, behind) if before.strip() or behind.strip() else None


def _beginning(ordered: Sequence[str]) -> str:
    """Return the longest beginning that most texts have, given in order."""
    window = ceil(_MOST * len(ordered))
    found = ""
    for first, last in zip(ordered, ordered[window - 1 :], strict=False):
        same = next(
            (k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b),
            min(len(first), len(last)),
        )
        found = max(found, first[:same], key=len)
    return found
