"""What a prompt is: a name, arguments as hosts list them, and an async function from these to a text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mcp_context_tools.tool import Services

CONTEXT_TOKENS: Final = 4_000
"""Most tokens of the context inside a prompt that looks for passages or describes a table."""

DOCUMENT_TOKENS: Final = 8_000
"""Most tokens of the context inside a prompt about whole documents: about twelve full pages."""

_MAX_ARGUMENT_CHARS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Draft:
    """A prompt as it was written; `data` holds what of it came from tables, by their columns.

    A column's name may tell that its values are private where they themselves don't. `sources` are the names of those
    it was made of.
    """

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a prompt as hosts list it."""

    name: str
    title: str
    description: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class ContextPrompt:
    """A prompt as hosts list it; `write` makes its text of the arguments, with up to so many tokens of context."""

    name: str
    title: str
    description: str
    arguments: tuple[Argument, ...]
    write: Callable[[Services, Mapping[str, str], int], Awaitable[Draft]]
    max_tokens: int = CONTEXT_TOKENS

    def checked(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the arguments given, blank ones left out.

        Raises `InvalidInputError` for a missing, blank, unknown or overlong one.
        """
        known = {argument.name for argument in self.arguments}
        needed = [argument.name for argument in self.arguments if argument.required]
        if unknown := [name for name in given if name not in known]:
            raise InvalidInputError(
                f"{self.name} has no argument {unknown[0][:100]!r}.", f"It has {', '.join(sorted(known))}."
            )
        if missing := [name for name in needed if not given.get(name, "").strip()]:
            about = next(argument.description for argument in self.arguments if argument.name == missing[0])
            raise InvalidInputError(f"{self.name} needs the argument {missing[0]!r}.", about)
        if too_long := [name for name, value in given.items() if len(value) > _MAX_ARGUMENT_CHARS]:
            raise InvalidInputError(
                f"{too_long[0]!r} is longer than {_MAX_ARGUMENT_CHARS:,} characters.", "Say it in fewer words."
            )
        return {name: value for name, value in given.items() if value.strip()}


async def silent(done: float, total: float | None = None, message: str | None = None) -> None:
    """Hear of progress; nobody waits for it in a prompt."""
