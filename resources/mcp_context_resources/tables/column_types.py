"""Column types, which every engine names as DuckDB does: `VARCHAR`, `BIGINT`, `DOUBLE`, `DATE`."""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = re.compile(r"(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|DECIMAL.*)", re.IGNORECASE)


def is_number(kind: str) -> bool:
    """Tell whether values of a type are numbers."""
    return _NUMBER.fullmatch(kind) is not None
