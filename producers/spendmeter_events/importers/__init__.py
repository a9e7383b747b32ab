"""Import usage events from a file: CSV or JSON lines, plain, gzip or zip, of any size, in constant memory."""

from spendmeter_events.importers._errors import InvalidMapping, UnreadableFile
from spendmeter_events.importers._events import Imported, events
from spendmeter_events.importers._identity import RowIds
from spendmeter_events.importers._lines import MAX_LINE_BYTES
from spendmeter_events.importers._mapping import EventMapping
from spendmeter_events.importers._presets import Preset
from spendmeter_events.importers._rows import FileFormat, RejectedRow, Row, Rows, SkippedRow, read_rows

__all__ = [
    "MAX_LINE_BYTES",
    "EventMapping",
    "FileFormat",
    "Imported",
    "InvalidMapping",
    "Preset",
    "RejectedRow",
    "Row",
    "RowIds",
    "Rows",
    "SkippedRow",
    "UnreadableFile",
    "events",
    "read_rows",
]
