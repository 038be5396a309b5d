"""A demo as one HTML page that needs nothing else, its figures as JSON, and a picture for a README."""

import json
from pathlib import Path

from markupsafe import Markup

from confidante.core.errors import DataError
from confidante.lab.data.movielens import ACKNOWLEDGEMENT
from confidante.lab.demo import CENTRAL, LABELS, MEANING, POPULARITY, PRIVATE, Demo, K
from confidante.lab.report_plots import (
    Draw,
    accuracy_picture,
    bytes_picture,
    groups_picture,
    inline_svg,
    picture_bytes,
    reasons_picture,
    rendered,
)

FILES = ("report.html", "report.json", "accuracy.svg", "accuracy.png")

GROUPS = {
    "light": "shortest third of histories",
    "medium": "middle third of histories",
    "heavy": "longest third of histories",
    "niche": "third with the least popular taste",
    "middle": "third in between",
    "mainstream": "third with the most popular taste",
}


def prepare_folder(folder: Path) -> None:
    """Make the folder of a report, or raise DataError before any work is done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".confidante-probe"
        probe.touch()
        probe.unlink()
    except FileExistsError:
        raise DataError("is a file: name a folder for the report", path=folder) from None
    except OSError as error:
        raise DataError(f"cannot be written ({error.strerror}): name another folder", path=folder) from None
    for name in FILES:
        if (folder / name).is_dir():
            raise DataError(f"{name} is a folder there: move it away", path=folder)


def write_report(demo: Demo, folder: Path) -> Path:
    """Write the files of a report and return the page's path. Raises DataError when that is impossible."""
    prepare_folder(folder)
    try:
        figures = json.dumps(demo.to_json(), indent=2, allow_nan=False, ensure_ascii=False)
        (folder / "report.json").write_text(figures + "\n", "utf-8")
        for kind in ("svg", "png"):
            (folder / f"accuracy.{kind}").write_bytes(picture_bytes(accuracy_picture(demo), kind))
        (folder / "report.html").write_text(page(demo), "utf-8")
    except OSError as error:
        raise DataError(f"cannot be written ({error.strerror})", path=folder) from None
    return folder / "report.html"


def page(demo: Demo) -> str:
    """Return the whole page."""
    return rendered(
        "report.html.j2",
        demo=demo,
        k=K,
        private=demo.of(PRIVATE),
        popularity=demo.of(POPULARITY),
        central=demo.of(CENTRAL),
        labels=LABELS,
        meaning=MEANING,
        group_meaning=GROUPS,
        pictures=_pictures(demo),
        acknowledgement=ACKNOWLEDGEMENT if demo.source.startswith("MovieLens") else "",
    )


def _pictures(demo: Demo) -> dict[str, Markup]:
    drawn: dict[str, tuple[Draw, str]] = {
        "accuracy": (
            accuracy_picture(demo),
            "Bars with 95 % intervals. "
            + " ".join(
                f"{LABELS[a.model]}: NDCG {a.ndcg.value:.3f}, HR {a.hr.value:.3f}." for a in demo.accuracy
            ),
        ),
        "groups": (groups_picture(demo), "Bars of NDCG by group of people; the table below has the numbers."),
        "bytes": (bytes_picture(demo), "Bars of kilobytes sent and received per sum; numbers in the table."),
    }
    for number, person in enumerate(demo.people):
        drawn[f"reasons{number}"] = (
            reasons_picture(person),
            f"Stacked bars of the reasons for each suggestion to person {person.name}; listed in full below.",
        )
    return {name: inline_svg(draw, name, text) for name, (draw, text) in drawn.items()}
