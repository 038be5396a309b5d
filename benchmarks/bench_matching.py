"""What finding items by foreign titles costs, and how many films of MovieLens-100K it finds in MovieLens-1M.

    python benchmarks/bench_matching.py [--json]

Made-up titles with years first: microseconds to index an item and to find one. Then, where the data sets are
(CONFIDANTE_SHARED), the 1,664 titles of the small one are looked up in the large one, which
writes many of them otherwise; with the year and without. A title that is found under a title that is not
its own is counted apart, since somebody has to look whether it is the same film (on 2026-12-01 all were).
"""

import json
import re
from typing import Any

import numpy as np

from _ml1m import load_ml1m
from _movielens import shared
from _timing import parser, seconds_of, spread
from confidante.core.values import Item
from confidante.device.importing import ForeignEvent, TitleIndex
from confidante.lab.data.ml100k import load_ml100k
from confidante.packs.media import MEDIA

ITEMS, FOUND, REPEATS = 50_000, 5_000, 7
WORDS = ("night", "train", "orchard", "slow", "letters", "home", "long", "road", "red", "steel", "café")
YEAR = re.compile(r"\s*\(\d{4}\)\s*$")


def made_up(items: int) -> list[Item]:
    draw = np.random.default_rng(1)
    made = []
    for k in range(items):
        words = " ".join(draw.choice(WORDS, draw.integers(3, 7))).title()
        article = ", The" if draw.random() < 0.2 else ""
        made.append(Item(f"i{k}", f"{words}{article} ({draw.integers(1920, 2025)})", ("Drama",)))
    return made


def costs() -> dict[str, Any]:
    items = made_up(ITEMS)
    index = TitleIndex(enumerate(items), MEDIA)
    asked = [ForeignEvent(item.title.lower(), 1e9, "view") for item in items[:FOUND]]

    def find() -> None:
        for event in asked:
            index.find(event)

    built = seconds_of(lambda: TitleIndex(enumerate(items), MEDIA), REPEATS)
    return {
        "index_us": spread([1e6 * seconds / ITEMS for seconds in built]),
        "find_us": spread([1e6 * seconds / FOUND for seconds in seconds_of(find, REPEATS)]),
    }


def found(large: list[str], small: list[str]) -> dict[str, dict[str, int]]:
    index = TitleIndex(((k, Item(str(k), title)) for k, title in enumerate(large)), MEDIA)
    rows = {}
    for name, cut in (("with the year", ""), ("without the year", YEAR)):
        asked = {title: YEAR.sub("", title) if cut else title for title in small}
        known = {title: index.find(ForeignEvent(text, 1e9, "view")) for title, text in asked.items()}
        rows[name] = {
            "titles": len(small),
            "found": sum(one is not None for one in known.values()),
            "under another title": sum(
                one is not None and large[one[0]] != title for title, one in known.items()
            ),
        }
    return rows


def main() -> None:
    asked = parser(__doc__).parse_args()
    report: dict[str, Any] = costs()
    data = shared() / "data"
    if data.is_dir():
        large, small = (
            load_ml1m(data / "ml-1m").catalogue.titles,
            load_ml100k(data / "ml-100k").catalogue.titles,
        )
        report["films"] = found(list(large), sorted(set(small)))
    if asked.json:
        print(json.dumps(report))
        return
    print(f"index {report['index_us']['median']:.1f} us an item, find {report['find_us']['median']:.1f} us")
    for name, row in report.get("films", {}).items():
        print(
            f"{name}: {row['found']:,} of {row['titles']:,}, {row['under another title']} written otherwise"
        )


if __name__ == "__main__":
    main()
