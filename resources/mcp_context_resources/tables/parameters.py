"""Parameters: values put in the place of a statement's placeholders, as literals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mcp_context_resources.tables.spec import Parameter


def bind(
    sql: str,
    parameters: Sequence[Parameter],
    values: Sequence[Any] | Mapping[str, Any] | None,
    literal: Callable[[object], str],
) -> str:
    """Put values in the place of placeholders, as literals, at the positions the parser gave.

    `literal` writes a value as the engine reads it. A list fills `?` and `$1`, an object fills `$name`. Only literals
    are put in, so what the parser admitted stays what it was; the engine's own gate sees the result.

    Raises `InvalidInputError` when values are missing, left over or of a kind that has no SQL literal.
    """
    given = by_identifier(values)
    wanted = {parameter.identifier for parameter in parameters}
    if missing := sorted(wanted - given.keys()):
        raise InvalidInputError(
            f"The statement has no value for parameter {', '.join('$' + name for name in missing)}.",
            "Give params as a list for ? and $1, or as an object for $name.",
        )
    if extra := sorted(given.keys() - wanted):
        raise InvalidInputError(
            f"params holds values the statement doesn't use: {', '.join(extra)}.", "Remove them or use ? placeholders."
        )
    text = sql.encode()
    for parameter in reversed(parameters):
        end = parameter.offset + parameter.length
        text = text[: parameter.offset] + literal(given[parameter.identifier]).encode() + text[end:]
    return text.decode()


def by_identifier(values: Sequence[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the values of placeholders by what the parser calls these."""
    if values is None:
        return {}
    if isinstance(values, dict):
        return {str(name).removeprefix("$"): value for name, value in values.items()}
    return {str(position): value for position, value in enumerate(values, start=1)}
