"""What a tool is: a name, a description, a typed input and an async function from one to a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp_context_resources.budget import BudgetSettings
    from mcp_context_resources.charts.service import Charts
    from mcp_context_resources.documents.service import Documents
    from mcp_context_resources.index.service import SearchIndex
    from mcp_context_resources.models.service import Models
    from mcp_context_resources.tables.service import Tables
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.workspace import Workspace


class ToolInput(BaseModel):
    """Arguments of a tool; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, defer_build=True)


InputT = TypeVar("InputT", bound=ToolInput)


class Report(Protocol):
    """Tells the caller how far a call is."""

    async def __call__(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Report `done` of `total` (None: unknown)."""


def telling(report: Report, message: str) -> Progress:
    """Return what hears a worker's progress and reports it with a message."""

    async def progress(done: float, total: float) -> None:
        await report(done, total or None, message)

    return progress


class PrivateValues(Protocol):
    """What answers must not show while redaction is on. A tool that shows parts of a text asks it where to cut."""

    def whole(self, text: str, start: int, end: int) -> tuple[int, int]:
        """Widen characters `start` to `end` of a text so that no private value is cut in two.

        Those in between are taken out of the answer, even where the part alone doesn't tell what they are.
        """

    def touched(self, text: str, start: int, end: int) -> bool:
        """Tell whether characters `start` to `end` of a text hold any of a private value."""


@dataclass(frozen=True, slots=True)
class Services:
    """The nouns of floor 0 that tools work with; `private` is None where redaction is off."""

    workspace: Workspace
    tables: Tables
    documents: Documents
    models: Models
    index: SearchIndex
    charts: Charts
    budget: BudgetSettings
    private: PrivateValues | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture in an answer, such as `image/png`."""

    mime_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Link:
    """A resource that an answer points to; `size` in bytes."""

    uri: str
    name: str
    mime_type: str
    size: int


@dataclass(frozen=True, slots=True)
class ToolResult:
    """An answer in two channels, each complete on its own: `text` to read, `data` to compute with.

    Pictures and links come after them.
    """

    text: str
    data: dict[str, Any]
    images: tuple[Image, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool(Generic[InputT]):
    """A tool as the registry holds it."""

    name: str
    title: str
    description: str
    input: type[InputT]
    run: Callable[[Services, InputT, Report], Awaitable[ToolResult]]
