"""What was bought: orders as shops hand them out. For every domain, since anything is sold."""

from collections.abc import Iterator

from confidante.formats.columns import Table, table_format

CANCELLED = "an order that was cancelled"
GIFT = "bought as a gift for somebody else"
_NOTHING = {"", "not available", "not applicable"}


def _order(fields: dict[str, str]) -> Iterator[dict[str, str] | str]:
    said = {fields.get("order status", "").strip().lower(), fields.get("shipment status", "").strip().lower()}
    if said & {"cancelled", "canceled"}:
        yield CANCELLED
    elif fields.get("gift message", "").strip().lower() not in _NOTHING:
        yield GIFT
    elif said & {"returned", "refunded"}:
        yield {**fields, "became": "returned"}
    else:
        yield fields


AMAZON = table_format(
    "amazon",
    "Amazon orders (zip, or Retail.OrderHistory CSV)",
    Table(
        needs="order date|product name|order status|unit price",
        adds="became",
        title="product name",
        id="asin",
        time="order date",
        kind="became",
        default="purchase",
        price="unit price",
        currency="currency",
        pieces="quantity",
        refine=_order,
    ),
)

SHOPS = (AMAZON,)
