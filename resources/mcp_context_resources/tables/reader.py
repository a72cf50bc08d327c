"""Reader of tables: a format of tables, declared: its endings, what loads it, and what else belongs to its files.

The formats of this package are declared here, those of other packages by entry points of the group
`fresh_context.table_readers`, each naming a `TableReader`. The code that loads is named, not imported: it runs in
confined worker processes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import ConfigurationError
from mcp_context_resources.installed import versions
from mcp_context_resources.plugins import allowed_readers, check_declaration, code_folders

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUP: Final = "fresh_context.table_readers"
"""The group of entry points under which other packages offer a `TableReader`."""

DERIVED: Final = "cells"
"""Format of the files in which tables taken out of documents are kept."""

_VERSION: Final = 1
"""To be raised with every change of the rows that the built-in readers give, of their order, or of what can be read."""

_LIBRARIES: Final = ("charset-normalizer", "duckdb", "lxml", "pyarrow", "pyreadstat", "python-calamine")
_LOADERS: Final = "mcp_context_resources.tables.duckdb_engine.loaders"


@dataclass(frozen=True, slots=True)
class TableReader:
    """A format of tables and what loads it.

    `format` is its name; `endings` are those of its files, in lower case, such as `.xlsx`.

    `load` is the function that reads one table, as `package.module:function`; a format without one the engine reads
    itself. It is imported and called in a worker process, as `load(job, connection, path, part, scratch)`: it makes the
    table or view `data` in the DuckDB connection from the file at `path` and returns notes for a reader. `data` may
    rest on files in the folder `scratch`. It should look at `job.should_stop` from time to time. A file that may hold
    several tables has `parts`, a function named alike: `parts(job, path, scratch)` returns their names, of which `part`
    is one; else `part` is empty. What either raises is told of the file.

    `version` is to be raised with every change of the rows that are read; so do new versions of the distributions in
    `libraries`: what was read by others is read again. `extra` is what to install where one of them is missing, as pip
    takes it. `companions` are endings of files beside one of the format that hold its newest rows: `-wal`.
    """

    format: str
    endings: tuple[str, ...]
    load: str = ""
    parts: str = ""
    version: str = "1"
    libraries: tuple[str, ...] = ()
    extra: str = ""
    companions: tuple[str, ...] = ()

    @property
    def installed(self) -> str:
        """Name the reader as it is installed now; those built in have one version together: `reading_version`."""
        return f"{self.format} {self.version} {versions(self.libraries)}" if self.version else ""


def _built_in(
    form: str, endings: str, load: str = "", *, several: bool = False, companions: tuple[str, ...] = ()
) -> TableReader:
    module, _, function = load.partition(":")
    target = f"{_LOADERS}.{module}:{function or 'load'}" if load else ""
    parts = f"{_LOADERS}.{module}:parts" if several else ""
    return TableReader(form, tuple(endings.split()), target, parts, version="", companions=companions)


BUILT_IN: Final = (
    _built_in("csv", ".csv .csv.gz .csv.zst .tsv .tsv.gz .tsv.zst .tab .psv"),
    _built_in("parquet", ".parquet .pq"),
    _built_in("json", ".json .json.gz .json.zst .jsonl .jsonl.gz .jsonl.zst .ndjson .ndjson.gz .ndjson.zst"),
    _built_in("excel", ".xlsx .xlsm .xlsb .xls .ods", "excel", several=True),
    # What a database file holds decides between these two, not its name.
    _built_in("sqlite", ".sqlite .sqlite3 .s3db .db .db3", "sqlite", several=True, companions=("-wal",)),
    _built_in("duckdb", ".duckdb .ddb", "duckdb_files", several=True, companions=(".wal",)),
    _built_in("arrow", ".arrow .arrows .feather .ipc", "arrow:load_arrow"),
    _built_in("orc", ".orc", "arrow:load_orc"),
    _built_in("stata", ".dta", "statistics_files"),
    _built_in("sas", ".sas7bdat .xpt", "statistics_files"),
    _built_in("spss", ".sav .zsav .por", "statistics_files"),
    _built_in("html", ".html .htm", "html", several=True),
    _built_in("xml", ".xml", "xml"),
    _built_in("fwf", ".fwf", "fixed_width"),
    _built_in(DERIVED, "", "document_cells"),
)
"""The readers of this package; what is loaded is copied to a columnar file before it is queried."""

BY_FORMAT: Final = {reader.format: reader for reader in BUILT_IN}
"""Format → reader, of those built in."""

TABLE_FORMATS: Final[dict[str, str]] = {ending: reader.format for reader in BUILT_IN for ending in reader.endings}
"""File name ending → format, of the readers that are built in."""

LOADED_FORMATS: Final[dict[str, str]] = {ending: form for ending, form in TABLE_FORMATS.items() if BY_FORMAT[form].load}
"""Those of them whose files are loaded."""

COMPANIONS: Final = {reader.format: reader.companions for reader in BUILT_IN if reader.companions}
"""Format → endings of files beside one of it that hold its newest rows."""


class TableReaders:
    """The readers that are in use: those built in, and those of other packages that are allowed by name."""

    def __init__(self, plugins: Sequence[str] = ()) -> None:
        """Load the declarations of the plugins of these names.

        Raises `ConfigurationError` for a name that no installed package offers, and for what can't be used.
        """
        offered = allowed_readers(GROUP, plugins)
        others = [_checked(name, reader) for name, reader in zip(dict.fromkeys(plugins), offered, strict=True)]
        self._by_format = dict(BY_FORMAT)
        self.endings = dict(TABLE_FORMATS)
        for reader in others:
            self._add(reader)
        self.companions = {form: reader.companions for form, reader in self._by_format.items() if reader.companions}
        targets = [(reader.format, target) for reader in others for target in (reader.load, reader.parts) if target]
        self.plugin_folders = tuple(dict.fromkeys(folder for target in targets for folder in code_folders(*target)))
        self.version = " ".join([f"{_VERSION} {versions(_LIBRARIES)}", *(reader.installed for reader in others)])

    def loader(self, form: str) -> TableReader | None:
        """Return the reader of a format whose files are loaded; None for one that the engine reads itself."""
        reader = self._by_format[form]
        return reader if reader.load else None

    def _add(self, reader: TableReader) -> None:
        if reader.format in self._by_format:
            raise ConfigurationError(f"Two readers read tables of the format {reader.format!r}.", _ALLOW_FEWER)
        self._by_format[reader.format] = reader
        for ending in reader.endings:
            if ending in self.endings:
                raise ConfigurationError(
                    f"Files ending in {ending} are read by two readers: {self.endings[ending]} and {reader.format}.",
                    _ALLOW_FEWER,
                )
            self.endings[ending] = reader.format


_ALLOW_FEWER: Final = "Allow fewer plugins in tables.plugins."


def _checked(name: str, reader: object) -> TableReader:
    if not isinstance(reader, TableReader):
        raise ConfigurationError(
            f"The plugin {name!r} is a {type(reader).__name__}, not a reader of tables.", "Install one that fits."
        )
    check_declaration(name, reader.format, reader.endings, (reader.load, *([reader.parts] if reader.parts else [])))
    if not reader.version:
        raise ConfigurationError(f"The plugin {name!r} declares no version.", "Give its reader one, such as 1.")
    return reader
