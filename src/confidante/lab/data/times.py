"""Timestamps in the forms that files have them."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray


def parse_times(texts: pl.Series) -> NDArray[np.float64]:
    """Return seconds since 1970 (UTC), float64 [rows]; NaN where a text is no time.

    A number is seconds, whole or with a fraction; anything else is read as ISO 8601. A time without an offset
    is taken to be UTC.
    """
    texts = texts.str.strip_chars()
    numbers = texts.cast(pl.Float64, strict=False)
    if not numbers.has_nulls():
        return numbers.to_numpy().astype(np.float64)
    stamps = texts.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
    seconds = numbers.fill_null(stamps.dt.timestamp("us").cast(pl.Float64) / 1e6)
    out = seconds.fill_null(np.nan).to_numpy().astype(np.float64)
    for row in seconds.is_null().arg_true().to_list():
        out[row] = _parse_iso(texts[row])
        if np.isnan(out[row]):
            break  # one unreadable time is enough to refuse a file
    return out


def _parse_iso(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return np.nan
