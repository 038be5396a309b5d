"""Import what people already have, export what they have here: files to rows and back, and no vault."""

from confidante.device.importing.gathering import Gathered, gather
from confidante.device.importing.matching import TitleIndex
from confidante.device.importing.report import ImportReport
from confidante.formats.item_list import read_items
from confidante.formats.own import csv_safe, export_csv, read_export, write_export
from confidante.formats.records import ForeignEvent, Note, Skipped

__all__ = [
    "ForeignEvent",
    "Gathered",
    "ImportReport",
    "Note",
    "Skipped",
    "TitleIndex",
    "csv_safe",
    "export_csv",
    "gather",
    "read_export",
    "read_items",
    "write_export",
]
