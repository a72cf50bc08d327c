"""Restoring: placeholders in arguments turned back into values, in plain text and in SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.redaction.vault import PLACEHOLDER

if TYPE_CHECKING:
    from mcp_context_resources.redaction.vault import Vault

_SQL_PART: Final = re.compile(
    rf"(?P<escaped>(?<![A-Za-z0-9_])[eE]'(?:[^'\\]|\\.|'')*+'?)|(?P<string>'(?:[^']|'')*+'?)"
    rf'|(?P<identifier>"(?:[^"]|"")*+"?)|(?P<dollar>\$(?P<tag>[A-Za-z_]*+)\$.*?(?:\$(?P=tag)\$|\Z))'
    rf"|(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))|(?P<bare>{PLACEHOLDER.pattern})|(?P<other>[^'\"$/eE<%&-]+|.)",
    re.DOTALL | re.IGNORECASE,
)
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}")


class Restorer:
    """Turns placeholders of a vault back; `used` collects the values by their kind, each as it is written."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.used: dict[str, str] = {}

    def text(self, text: str) -> str:
        """Turn back the placeholders in a text; raises `InvalidInputError` for an unknown one."""
        return PLACEHOLDER.sub(self._value, text)

    def sql(self, statement: str) -> str:
        """Turn back the placeholders in a statement so that a value never ends the literal or name it stands in.

        One outside quotes becomes a number or a literal; in comments and dollar quotes none is touched.
        Raises `InvalidInputError` for an unknown placeholder.
        """
        if not PLACEHOLDER.search(statement):
            return statement
        return _SQL_PART.sub(self._sql_part, statement)

    def _sql_part(self, match: re.Match[str]) -> str:
        part = match[0]
        if match["bare"]:
            value = self.text(part)
            return value if _NUMBER.fullmatch(value) else "'" + value.replace("'", "''") + "'"
        if match["string"]:
            return PLACEHOLDER.sub(lambda found: self._value(found).replace("'", "''"), part)
        if match["escaped"]:
            return PLACEHOLDER.sub(lambda found: self._value(found).replace("\\", "\\\\").replace("'", "''"), part)
        if match["identifier"]:
            return PLACEHOLDER.sub(lambda found: self._value(found).replace('"', '""'), part)
        return part

    def _value(self, match: re.Match[str]) -> str:
        found = self._vault.value(match["name"])
        if found is None:
            raise InvalidInputError(
                f"The placeholder <{match['name'].upper()}> stands for nothing that this server has shown.",
                "Placeholders live as long as the server: read the source again and use the new one.",
            )
        kind, value = found
        self.used[value] = kind
        return value
