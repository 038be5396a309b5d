# ruff: noqa: RUF001 - other scripts are the point here
"""Make `src/confidante/formats/date_words.json` from Unicode CLDR, as Babel carries it.

Run it in an environment of its own, since nothing else needs Babel (made last with Babel 2.19.0):

    uv run --with babel==2.19.0 --with-editable . python tools/make_date_words.py
"""

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from confidante.formats.written_dates import plain

LANGUAGES = [
    "af",
    "am",
    "ar",
    "ar_LB",
    "ar_MA",
    "ar_MR",
    "ar_TN",
    "as",
    "az",
    "az_Cyrl",
    "be",
    "bg",
    "bn",
    "bn_IN",
    "bs",
    "bs_Cyrl",
    "ca",
    "cs",
    "cy",
    "da",
    "de",
    "de_AT",
    "el",
    "en",
    "en_GB",
    "es",
    "es_MX",
    "es_PE",
    "et",
    "eu",
    "fa",
    "fa_AF",
    "fi",
    "fil",
    "fr",
    "fr_CA",
    "ga",
    "gl",
    "gu",
    "he",
    "hi",
    "hr",
    "hu",
    "hy",
    "id",
    "is",
    "it",
    "ja",
    "ka",
    "kk",
    "km",
    "kn",
    "ko",
    "ky",
    "lo",
    "lt",
    "lv",
    "mk",
    "ml",
    "mn",
    "mr",
    "ms",
    "my",
    "nb",
    "ne",
    "nl",
    "nn",
    "or",
    "pa",
    "pl",
    "ps",
    "pt",
    "pt_PT",
    "ro",
    "ru",
    "sd",
    "si",
    "sk",
    "sl",
    "so",
    "sq",
    "sr",
    "sr_Latn",
    "sv",
    "sw",
    "ta",
    "te",
    "th",
    "tk",
    "tr",
    "uk",
    "ur",
    "uz",
    "uz_Cyrl",
    "vi",
    "yue",
    "zh",
    "zh_Hant",
    "zu",
]
TARGET = Path(__file__).parent.parent / "src/confidante/formats/date_words.json"
PERSIAN = [
    "فروردین",
    "اردیبهشت",
    "خرداد",
    "تیر",
    "مرداد",
    "شهریور",
    "مهر",
    "آبان",
    "آذر",
    "دی",
    "بهمن",
    "اسفند",
]
EARLIER = {  # forms that files have and that this version of CLDR has no more
    "ru": {"мар": 3, "май": 5}, "de": {"mär": 3, "jän": 1}, "fr": {"juil": 7}, "es": {"set": 9, "sept": 9},
    "it": {"set": 9}, "pt": {"set": 9}, "en": {"sept": 9}, "en_GB": {"sep": 9}, "da": {"maj": 5},
}  # fmt: skip
BETWEEN = """
um uhr at klo kl kello ob om u o w godz à alle ore a las la às ao lúc στις στο saat о об у в во v ve kell
"""
"""Words between date and time that stand in patterns which Babel leaves out."""
BROAD = ("am", "pm", "noon", "midnight")


def main() -> int:
    """Write the table and return 0."""
    babel: Any = importlib.import_module("babel")
    made: dict[str, dict[str, Any]] = {}
    for name in LANGUAGES:
        locale = babel.Locale.parse(name)
        language = made.setdefault(
            locale.language,
            {"order": [], "months": [set() for _ in range(12)], "periods": {}, "joining": set()},
        )
        months(locale, language["months"])
        for word, month in EARLIER.get(name, {}).items():
            language["months"][month - 1].add(plain(word))
        periods(locale, language["periods"])
        language["joining"] |= joining(locale)
        language["order"].append(order(locale))
    made["en"]["joining"] |= set(BETWEEN.split())
    for month, word in enumerate(PERSIAN):
        made["fa"]["months"][month].add(plain(word))
    for name, before, behind in (("he", "ב", ""), ("eu", "", "ren")):  # letters that patterns put to months
        for words in made[name]["months"]:
            words |= {f"{before}{word}{behind}" for word in words}
    said = [
        f"{json.dumps(name)}: {json.dumps(tidy(made[name]), ensure_ascii=False)}" for name in sorted(made)
    ]
    TARGET.write_text("{\n" + ",\n".join(said) + "\n}\n", encoding="utf-8")
    return 0


def months(locale: Any, found: list[set[str]]) -> None:
    """Add every word for each month; a number beside a word, as in Vietnamese, is read without the table."""
    for context in ("format", "stand-alone"):
        for width in ("abbreviated", "wide"):
            for number, text in locale.months[context][width].items():
                if not re.search(r"\d", text):
                    found[number - 1].add(plain(text))


def periods(locale: Any, found: dict[str, list[int]]) -> None:
    """Add the words for parts of the day with their hours, halves of it before all others."""
    rules: dict[str, list[int]] = {"am": [0, 12], "pm": [12, 24], "noon": [12, 13], "midnight": [0, 1]}
    for name, spans in locale.day_period_rules.get(None, {}).items():
        for span in spans:
            if "from" in span:
                rules[name] = [span["from"] // 3600, -(-span["before"] // 3600)]
    for name in sorted(rules, key=lambda name: name not in BROAD):
        for context in ("format", "stand-alone"):
            for width in ("abbreviated", "wide", "narrow"):
                text = locale.day_periods.get(context, {}).get(width, {}).get(name, "")
                if text and (width != "narrow" or len(plain(text)) > 1):
                    found.setdefault(plain(text), rules[name])


def joining(locale: Any) -> set[str]:
    """Return the words of the patterns for dates, times and both."""
    patterns = [one.pattern for one in (*locale.date_formats.values(), *locale.time_formats.values())]
    patterns += [str(one) for one in locale.datetime_formats.values()]
    words = set()
    for pattern in patterns:
        quoted = re.findall(r"'([^']+)'", pattern)
        bare = re.sub(r"'[^']*'|[GyYuMLwWdDEecabBhHKkmsSzZvVOXx]+|\{\d\}", " ", pattern)
        for text in (*quoted, *bare.split()):
            words |= {plain(word) for word in re.findall(r"[^\s\d,;:/()\[\]،؛]+", text)}
    return words


def order(locale: Any) -> str:
    """Return the order of day, month and year in a date of numbers."""
    letters = re.sub("[^dMy]", "", re.sub("'[^']*'", "", locale.date_formats["short"].pattern))
    return "".join(dict.fromkeys(letters)).lower()


def tidy(language: dict[str, Any]) -> dict[str, Any]:
    """Return a language as it is written: sorted, and without words that are nothing but points."""
    return {
        "order": language["order"][0] if len(set(language["order"])) == 1 else "",
        "months": [sorted(filter(None, words)) for words in language["months"]],
        "periods": dict(sorted(language["periods"].items())),
        "joining": sorted(filter(None, language["joining"])),
    }


if __name__ == "__main__":
    sys.exit(main())
