"""Small pictures as SVG text. Colours come from the page's stylesheet, so they follow light and dark."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import final

Scale = Callable[[float], float]

_WIDTH, _HEIGHT = 640, 200
_DASHES = ("", "6 4", "2 3", "9 3 2 3")
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 12, 26


@final
@dataclass(frozen=True, slots=True)
class ChartPoint:
    """One value of a picture. x: where, in any unit; label: what a person calls this place.

    error: how far y may be off, to either side; line: which curve it is on.
    """

    x: float
    y: float
    label: str
    error: float = 0.0
    line: str = ""


def curve(points: Sequence[ChartPoint], title: str) -> str:
    """Return each line through its points, oldest first, with their errors; empty when there are none."""
    if not points:
        return ""
    ends = [one.y + side * one.error for one in points for side in (-1, 1)]
    across, up, ticks = _scales([one.x for one in points], ends)
    drawn = []
    for number, name in enumerate(dict.fromkeys(one.line for one in points)):
        mine = [one for one in points if one.line == name]
        through = " ".join(f"{across(one.x):.1f},{up(one.y):.1f}" for one in mine)
        dashes = f' stroke-dasharray="{_DASHES[number % len(_DASHES)]}"' if number else ""
        drawn.append(f'<polyline points="{through}"{dashes}/>')
        drawn += [_dot(across(one.x), up, one) for one in mine]
        if name:
            last = mine[-1]
            drawn.append(
                f'<text x="{across(last.x) - 6:.1f}" y="{up(last.y) - 8:.1f}" text-anchor="end">'
                f"{escape(name)}</text>"
            )
    return _picture(title, ticks, "".join(drawn), points)


def _dot(x: float, up: Scale, one: ChartPoint) -> str:
    low, high = up(one.y - one.error), up(one.y + one.error)
    whisker = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>' if one.error else ""
    said = f"{escape(one.label)}: {one.y:.4g}" + (f" ± {one.error:.2g}" if one.error else "")
    return f'{whisker}<circle cx="{x:.1f}" cy="{up(one.y):.1f}" r="3.5"><title>{said}</title></circle>'


def bars(points: Sequence[ChartPoint], title: str, of: Sequence[float]) -> str:
    """Return a bar for each point, oldest first, in front of a paler one for what it could have been."""
    if not points:
        return ""
    wide = (_WIDTH - _LEFT - _RIGHT) / len(points)
    _across, up, ticks = _scales([0.0], [*(one.y for one in points), *of, 0.0])
    drawn = []
    for place, (one, whole) in enumerate(zip(points, of, strict=True)):
        x, gap = _LEFT + place * wide, min(wide * 0.25, 6)
        for value, name in ((whole, "whole"), (one.y, "part")):
            drawn.append(
                f'<rect class="{name}" x="{x + gap / 2:.1f}" y="{up(value):.1f}" '
                f'width="{max(wide - gap, 1):.1f}" height="{_HEIGHT - _BOTTOM - up(value):.1f}">'
                f"<title>{escape(one.label)}: {one.y:g} of {whole:g}</title></rect>"
            )
    return _picture(title, ticks, "".join(drawn), points)


def _scales(xs: Sequence[float], ys: Sequence[float]) -> tuple[Scale, Scale, str]:
    """Return how x and y become places, and the lines across with their figures."""
    left, right, low, high = min(xs), max(xs), min(0.0, *ys), max(ys)
    high = high if high > low else low + 1

    def across(x: float) -> float:
        part = (x - left) / (right - left) if right > left else 0.5
        return _LEFT + part * (_WIDTH - _LEFT - _RIGHT)

    def up(y: float) -> float:
        return _HEIGHT - _BOTTOM - (y - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    ticks = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up(y):.1f}" y2="{up(y):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{up(y) + 4:.1f}" text-anchor="end">{y:.3g}</text>'
        for y in _round_figures(low, high)
    )
    return across, up, ticks


def _round_figures(low: float, high: float) -> list[float]:
    """Return a few figures between two, such as people would choose."""
    rough = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * part for part in (1, 2, 5, 10) if unit * part >= rough * 0.999)
    return [step * place for place in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def _picture(title: str, ticks: str, drawn: str, points: Sequence[ChartPoint]) -> str:
    foot = _HEIGHT - 8
    ends = f'<text x="{_LEFT}" y="{foot}">{escape(points[0].label)}</text>'
    if len(points) > 1:
        ends += f'<text x="{_WIDTH - _RIGHT}" y="{foot}" text-anchor="end">{escape(points[-1].label)}</text>'
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'<g class="grid">{ticks}{ends}</g><g class="drawn">{drawn}</g></svg>'
    )
