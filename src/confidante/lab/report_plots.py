"""The pictures of a report, as SVG that takes its colours from the page, or as files on their own.

No clock, no random ids and no addresses go into a picture, so the same figures give the same bytes.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from html import escape
from pathlib import Path
from typing import Any, final

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from confidante.lab.demo import CENTRAL, LABELS, POPULARITY, PRIVATE, Demo, K
from confidante.lab.demo_reasons import ShownPerson

Draw = Callable[["Palette"], Figure]

_STYLE: Any = {
    "font.size": 11,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.parse_math": False,
    "svg.hashsalt": "confidante",
    "savefig.transparent": True,
}
_WIDTH = 5.2  # inches; narrow, so that the letters stay readable on a phone


@final
@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by what they stand for. own: for a person's events, most important first."""

    ink: str
    quiet: str
    line: str
    popularity: str
    private: str
    central: str
    own: tuple[str, ...]

    def model(self, name: str) -> str:
        """Return the colour of a model."""
        return {POPULARITY: self.popularity, PRIVATE: self.private, CENTRAL: self.central}[name]


LIGHT = Palette(
    "#16202e",
    "#5b6879",
    "#d9dfe7",
    "#94a1b2",
    "#0f766e",
    "#c2620a",
    ("#0f766e", "#2f6fc4", "#8250c4", "#c04a7e", "#b98a10", "#5e8c31"),
)
DARK = Palette(
    "#e8edf4",
    "#9fadbf",
    "#2f3b4c",
    "#74839a",
    "#2dc4b2",
    "#f0963c",
    ("#2dc4b2", "#6ea8f5", "#b493f0", "#ee86b4", "#e5bd4d", "#9ccf68"),
)


def _flat(palette: Palette) -> list[str]:
    return [*astuple(palette)[:-1], *palette.own]


VARIABLES = ("ink", "quiet", "line", "popularity", "private", "central", *(f"own{i}" for i in range(6)))
_MARKS = [f"#0{i:01x}0{i:01x}0{i:01x}" for i in range(1, len(VARIABLES) + 1)]
_INK, _QUIET, _LINE, _POPULARITY, _PRIVATE, _CENTRAL, *_OWN = _MARKS
_MARKED = Palette(_INK, _QUIET, _LINE, _POPULARITY, _PRIVATE, _CENTRAL, own=tuple(_OWN))


def _css_variables(palette: Palette) -> Markup:
    named = zip(VARIABLES, _flat(palette), strict=True)
    return Markup(" ".join(f"--{name}: {colour};" for name, colour in named))  # noqa: S704 - our own constants


def rendered(template: str, **values: object) -> str:
    """Return a page of ours, which needs nothing else, in the report's style."""
    environment = Environment(
        loader=PackageLoader("confidante.lab"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(percent=percent, kilobytes=kilobytes, exponent=exponent)
    return environment.get_template(template).render(
        css=Markup((Path(__file__).parent / "templates" / "report.css").read_text("utf-8")),  # noqa: S704 - ours
        light=_css_variables(LIGHT),
        dark=_css_variables(DARK),
        **values,
    )


def percent(share: float) -> str:
    """Return a share like `41 %`, with a real minus sign and a space that does not break."""
    return f"{round(100 * share) or 0}\u00a0%".replace("-", "\u2212")


def kilobytes(count: Any) -> str:
    """Return bytes like `12.3 kB`; a dash for None."""
    return "\u2013" if count is None else f"{count / 1e3:,.1f} kB"


def exponent(number: float) -> str:
    """Return a small number like `1e-5`."""
    return f"{number:g}".replace("e-0", "e-")


def inline_svg(draw: Draw, name: str, description: str) -> Markup:
    """Return an `<svg>` for the inside of a page, in the page's colours and letters.

    name: unique in the page; description: read out in place of the picture.
    """
    text = _svg(draw, _MARKED, fonts="none")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"| (width|height)="[\d.]+pt"', "", text)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(url\(|href=")#', rf"\1#{name}-", text)
    text = re.sub(r"font: ([\d.]+)px[^;\"]*", r"font-size: \1px", text)
    for mark, variable in zip(_MARKS, VARIABLES, strict=True):
        text = text.replace(mark, f"var(--{variable})")
    label = escape(description, quote=True)
    text = text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    return Markup(text)  # noqa: S704 - what goes in is escaped where it is drawn


def picture_bytes(draw: Draw, kind: str) -> bytes:
    """Return a picture that stands on its own, on white. kind: svg or png."""
    if kind == "svg":
        return _svg(draw, LIGHT, fonts="path", transparent=False).encode()
    buffer = io.BytesIO()
    with mpl.rc_context(_STYLE):
        draw(LIGHT).savefig(buffer, format="png", dpi=200, transparent=False, metadata={"Software": None})
    return buffer.getvalue()


def _svg(draw: Draw, palette: Palette, *, fonts: str, transparent: bool = True) -> str:
    buffer = io.StringIO()
    with mpl.rc_context({**_STYLE, "svg.fonttype": fonts}):
        draw(palette).savefig(buffer, format="svg", metadata={"Date": None}, transparent=transparent)
    return buffer.getvalue()


def accuracy_picture(demo: Demo) -> Draw:
    """Draw NDCG and HR of the three models with their intervals."""

    def draw(palette: Palette) -> Figure:
        figure = Figure(figsize=(_WIDTH, 3.3), layout="constrained")
        for place, (metric, title) in enumerate((("ndcg", f"NDCG@{K}"), ("hr", f"HR@{K}"))):
            axes = figure.add_subplot(2, 1, place + 1)
            for row, accuracy in enumerate(demo.accuracy):
                found = getattr(accuracy, metric)
                axes.barh(row, found.value, color=palette.model(accuracy.model), height=0.66)
                error = [[found.value - found.low], [found.high - found.value]]
                axes.errorbar(
                    found.value, row, xerr=error, color=palette.ink, capsize=3, elinewidth=1.2, fmt="none"
                )
                _figure(axes, found.high, row, f"{found.value:.3f}", palette)
            axes.set_yticks(range(len(demo.accuracy)), [LABELS[a.model] for a in demo.accuracy])
            axes.invert_yaxis()
            axes.set_xlim(0, 1.18 * max(getattr(a, metric).high for a in demo.accuracy) or 1)
            axes.set_title(title, loc="left", color=palette.ink, fontsize=11, weight="bold")
            _quieten(axes, palette)
        return figure

    return draw


def groups_picture(demo: Demo) -> Draw:
    """Draw NDCG by group of people, three bars a group."""

    def draw(palette: Palette) -> Figure:
        groups = [row for row in demo.groups if row.group != "everybody"]
        figure = Figure(figsize=(_WIDTH, 0.75 + 0.62 * len(groups)), layout="constrained")
        axes = figure.add_subplot()
        models = [accuracy.model for accuracy in demo.accuracy]
        for offset, model in enumerate(models):
            rows = [row + (offset - 1) * 0.26 for row in range(len(groups))]
            values = [group.means[model] for group in groups]
            axes.barh(rows, values, height=0.24, color=palette.model(model), label=LABELS[model])
        axes.set_yticks(range(len(groups)), [f"{group.group}\n({group.people})" for group in groups])
        axes.invert_yaxis()
        axes.set_xlabel(f"NDCG@{K}")
        figure.legend(loc="outside upper left", ncols=3, frameon=False, labelcolor=palette.ink, **_TIGHT)
        _quieten(axes, palette)
        return figure

    return draw


def bytes_picture(demo: Demo) -> Draw:
    """Draw what a device sent and received for each private sum."""

    def draw(palette: Palette) -> Figure:
        figure = Figure(figsize=(_WIDTH, 0.9 + 0.62 * len(demo.sums)), layout="constrained")
        axes = figure.add_subplot()
        rows = range(len(demo.sums))
        series = [("sent", [cost.bytes_up for cost in demo.sums], palette.private, -0.19)]
        if demo.bytes_down is not None:
            down = [cost.bytes_down or 0 for cost in demo.sums]
            series.append(("received", down, palette.popularity, 0.19))
        largest = max(max(values) for _, values, _, _ in series)
        for label, values, colour, offset in series:
            axes.barh([r + offset for r in rows], [v / 1e3 for v in values], 0.34, color=colour, label=label)
            for row, value in zip(rows, values, strict=True):
                _figure(axes, value / 1e3, row + offset, f"{value / 1e3:,.1f}", palette)
        axes.set_xlim(0, 1.16 * largest / 1e3)
        axes.set_yticks(rows, [cost.task for cost in demo.sums])
        axes.invert_yaxis()
        axes.set_xlabel("kB per device")
        figure.legend(loc="outside upper left", ncols=2, frameon=False, labelcolor=palette.ink, **_TIGHT)
        _quieten(axes, palette)
        return figure

    return draw


def reasons_picture(person: ShownPerson) -> Draw:
    """Draw each suggestion's score as the sum of its reasons; what spoke against it stands left of zero."""

    def draw(palette: Palette) -> Figure:
        rows = person.suggestions
        named = list(dict.fromkeys(share.what for s in rows for share in s.because))
        colours = dict(zip(named, palette.own, strict=False))
        legend = [*named[: len(palette.own)], "all other own items", "popularity"]
        figure = Figure(figsize=(_WIDTH, 0.9 + 0.66 * len(rows) + 0.24 * len(legend)), layout="constrained")
        axes = figure.add_subplot()
        for row, suggestion in enumerate(rows):
            parts = [(colours.get(s.what, palette.quiet), s.share) for s in suggestion.because]
            parts += [(palette.line, suggestion.others), (palette.popularity, suggestion.popularity)]
            _stack(axes, row, parts)
            axes.text(0, row - 0.34, suggestion.title, color=palette.ink, va="bottom", weight="bold")
        axes.set_ylim(len(rows) - 0.55, -0.85)
        axes.set_yticks([])
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_xlabel("share of the score")
        shades = [*(colours[name] for name in legend[:-2]), palette.line, palette.popularity]
        for name, shade in zip(legend, shades, strict=True):
            axes.barh(0, 0, color=shade, label=name)
        figure.legend(loc="outside lower left", frameon=False, labelcolor=palette.ink, **_TIGHT)
        _quieten(axes, palette)
        axes.spines["left"].set_visible(False)
        axes.axvline(0, color=palette.quiet, linewidth=1)
        return figure

    return draw


def empty_axes(palette: Palette) -> tuple[Figure, Axes]:
    """Return an empty figure for lines, in the report's style."""
    figure = Figure(figsize=(_WIDTH, 3.4), layout="constrained")
    axes = figure.add_subplot()
    _quieten(axes, palette)
    axes.grid(axis="y", color=palette.line, linewidth=0.8)
    axes.yaxis.label.set_color(palette.quiet)
    return figure, axes


_TIGHT: dict[str, Any] = {"handlelength": 1, "handleheight": 1, "columnspacing": 1.2, "fontsize": 10}


def _figure(axes: Axes, x: float, y: float, text: str, palette: Palette) -> None:
    axes.annotate(
        text, (x, y), xytext=(7, 0), textcoords="offset points", va="center", color=palette.ink, weight="bold"
    )


def _stack(axes: Axes, row: int, parts: Sequence[tuple[str, float]]) -> None:
    right = left = 0.0
    for colour, share in parts:
        axes.barh(row, share, left=right if share >= 0 else left, height=0.56, color=colour)
        if share >= 0:
            right += share
        else:
            left += share


def _quieten(axes: Axes, palette: Palette) -> None:
    axes.grid(axis="x", color=palette.line, linewidth=0.8)
    axes.tick_params(colors=palette.quiet, labelcolor=palette.ink, length=0)
    axes.xaxis.label.set_color(palette.quiet)
    for spine in axes.spines.values():
        spine.set_color(palette.line)
    axes.spines["bottom"].set_visible(False)
