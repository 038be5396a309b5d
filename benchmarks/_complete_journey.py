"""The Complete Journey (dunnhumby): a year of grocery baskets, as two parquet files.

An event is (household, product, time of the basket); several lines of a product in one basket are one event.
Products are bought again and again, so `repeats="all"` is the rule here. Labels: department, category and
brand (national or private). Its publisher calls the data simulated after real shopping: say "real-like".
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from confidante.core.errors import DataError
from confidante.lab.data.dataset import Dataset, Interactions, ItemRows, Repeats, Tally, assemble

_TRANSACTIONS: Mapping[str, tuple[type[pl.DataType], ...]] = {
    "household_id": (pl.Int64, pl.String),
    "product_id": (pl.Int64, pl.String),
    "transaction_timestamp": (pl.Datetime,),
}
_PRODUCTS: Mapping[str, tuple[type[pl.DataType], ...]] = {
    "product_id": (pl.Int64, pl.String),
    "department": (pl.String,),
    "brand": (pl.String,),
    "product_category": (pl.String,),
    "product_type": (pl.String,),
}


def load_complete_journey(folder: Path | str, *, sold_only: bool = True, repeats: Repeats = "all") -> Dataset:
    """Return transactions.parquet and products.parquet of a folder as a data set.

    sold_only leaves products that nobody bought out of the catalogue, counted in the notes (68,509 of 92,331
    were bought). Times are the store's own clock, read as UTC. Raises DataError.
    """
    folder = Path(folder)
    sales = _read(folder / "transactions.parquet", _TRANSACTIONS)
    products = _read(folder / "products.parquet", _PRODUCTS)
    notes: tuple[Tally, ...] = ()
    if sold_only:
        sold = products.filter(pl.col("product_id").is_in(sales["product_id"].unique().implode()))
        notes = (Tally("products nobody bought, left out of the catalogue", len(products) - len(sold)),)
        products = sold
    seconds = sales["transaction_timestamp"].dt.timestamp("us").cast(pl.Float64).to_numpy() / 1e6
    rows = Interactions(
        folder / "transactions.parquet",
        sales["household_id"].cast(pl.String),
        sales["product_id"].cast(pl.String),
        seconds.astype(np.float64),
        None,
        notes=notes,
    )
    return assemble(rows, _items(folder / "products.parquet", products), repeats=repeats)


def _read(path: Path, columns: Mapping[str, tuple[type[pl.DataType], ...]]) -> pl.DataFrame:
    """Return the named columns of a parquet file."""
    if not path.is_file():
        raise DataError("there is no such file: name the folder of Complete Journey", path=path)
    try:
        frame = pl.read_parquet(path, columns=list(columns))
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise DataError(f"cannot be read as parquet ({str(error).splitlines()[0]})", path=path) from None
    for name, kinds in columns.items():
        if not isinstance(frame[name].dtype, kinds):
            raise DataError(f"column {name} is {frame[name].dtype}, expected {kinds[0].__name__}", path=path)
        if kinds != (pl.String,) and frame[name].has_nulls():
            row = int(frame[name].is_null().arg_max() or 0)
            raise DataError(f"column {name} is missing in row {row + 1}: remove the row", path=path)
    return frame


def _items(path: Path, products: pl.DataFrame) -> ItemRows:
    """Return titles like "BREAD:ITALIAN/FRENCH" and labels without repeats."""
    products = products.with_columns(pl.col("product_id").cast(pl.String))
    department, brand, category, kind = (
        products[name].fill_null("").str.strip_chars().to_list()
        for name in ("department", "brand", "product_category", "product_type")
    )
    labels = [
        tuple(dict.fromkeys(label for label in row if label))
        for row in zip(department, category, brand, strict=True)
    ]
    titles = [k or c or d for k, c, d in zip(kind, category, department, strict=True)]
    return ItemRows(path, products["product_id"].to_list(), titles, labels, list(range(1, len(products) + 1)))
