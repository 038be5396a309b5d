"""Import what people already have, export what they have here: files to rows and back, and no vault."""

from confidante.device.transfer.export import csv_safe, export_csv, read_export, write_export
from confidante.device.transfer.foreign import ForeignEvent, Note, Skipped
from confidante.device.transfer.formats import FORMATS, detect, parse
from confidante.device.transfer.gathering import Gathered, gather
from confidante.device.transfer.item_list import read_items
from confidante.device.transfer.matching import TitleIndex
from confidante.device.transfer.report import ImportReport

__all__ = [
    "FORMATS",
    "ForeignEvent",
    "Gathered",
    "ImportReport",
    "Note",
    "Skipped",
    "TitleIndex",
    "csv_safe",
    "detect",
    "export_csv",
    "gather",
    "parse",
    "read_export",
    "read_items",
    "write_export",
]
