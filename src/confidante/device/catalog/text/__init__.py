"""Vectors of what an item says of itself, so that new items and unknown libraries work with no federation."""

from confidante.device.catalog.text.choice import best_available, encoder_named
from confidante.device.catalog.text.encoder import TextEncoder
from confidante.device.catalog.text.vectors import (
    Projection,
    TextVectors,
    fit_projection,
    item_text,
    project,
    text_vectors,
)

__all__ = [
    "Projection",
    "TextEncoder",
    "TextVectors",
    "best_available",
    "encoder_named",
    "fit_projection",
    "item_text",
    "project",
    "text_vectors",
]
