"""Which files of other programs are tables."""

from __future__ import annotations

from typing import Final

FOREIGN_FORMATS: Final[dict[str, str]] = {
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xlsb": "excel",
    ".xls": "excel",
    ".ods": "excel",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".s3db": "sqlite",
    ".db": "sqlite",
    ".db3": "sqlite",
    ".duckdb": "duckdb",
    ".ddb": "duckdb",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".orc": "orc",
    ".dta": "stata",
    ".sas7bdat": "sas",
    ".xpt": "sas",
    ".sav": "spss",
    ".zsav": "spss",
    ".por": "spss",
    ".html": "html",
    ".htm": "html",
    ".xml": "xml",
    ".fwf": "fwf",
}
"""File name ending → format. What a database file holds decides between `sqlite` and `duckdb`, not its name."""

DERIVED: Final = "cells"
"""Format of the files in which tables taken out of documents are kept."""

CONTAINERS: Final[frozenset[str]] = frozenset({"excel", "sqlite", "duckdb", "html"})
"""Formats of which one file may hold several tables."""
