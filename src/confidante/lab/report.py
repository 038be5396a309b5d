"""A demo as one HTML page that needs nothing else, its figures as JSON, and a picture for a README."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from confidante.core.errors import DataError
from confidante.lab.data.movielens import ACKNOWLEDGEMENT
from confidante.lab.demo import CENTRAL, LABELS, MEANING, POPULARITY, PRIVATE, Demo, K
from confidante.lab.report_plots import (
    DARK,
    LIGHT,
    Draw,
    accuracy_picture,
    bytes_picture,
    css_variables,
    groups_picture,
    inline_svg,
    picture_bytes,
    reasons_picture,
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
    environment = Environment(
        loader=PackageLoader("confidante.lab"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(percent=percent, kilobytes=kilobytes, exponent=exponent)
    css = (Path(__file__).parent / "templates" / "report.css").read_text("utf-8")
    return environment.get_template("report.html.j2").render(
        demo=demo,
        k=K,
        private=demo.of(PRIVATE),
        popularity=demo.of(POPULARITY),
        central=demo.of(CENTRAL),
        labels=LABELS,
        meaning=MEANING,
        group_meaning=GROUPS,
        css=Markup(css),  # noqa: S704 - our own file
        light=Markup(css_variables(LIGHT)),  # noqa: S704 - our own constants
        dark=Markup(css_variables(DARK)),  # noqa: S704
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
    # What goes in is escaped where it is drawn.
    return {name: Markup(inline_svg(draw, name, text)) for name, (draw, text) in drawn.items()}  # noqa: S704


def percent(share: float) -> str:
    """Return a share like `41 %`, with a real minus sign and a space that does not break."""
    return f"{round(100 * share) or 0}\u00a0%".replace("-", "\u2212")


def kilobytes(count: Any) -> str:
    """Return bytes like `12.3 kB`; a dash for None."""
    return "\u2013" if count is None else f"{count / 1e3:,.1f} kB"


def exponent(number: float) -> str:
    """Return a small number like `1e-5`."""
    return f"{number:g}".replace("e-0", "e-")
