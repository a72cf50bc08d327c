"""Completion: names of tables, documents and models, and page numbers, while a person types them."""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import unquote

import anyio.to_thread
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    ResourceTemplateReference,
)

from mcp_context_resources.errors import ContextError
from mcp_context_tools.prompts import COMPLETED
from mcp_server.resources.templates import TEMPLATES, variables

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from mcp.server.context import ServerRequestContext
    from mcp_types import PromptReference

    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_tools.tool import Services
    from mcp_server.redaction.redacting import Redaction

    Complete = Callable[[ServerRequestContext[Services], CompleteRequestParams], Awaitable[CompleteResult]]

_log = logging.getLogger("fresh_context")

MOST: Final = 100
"""Most values of one answer, as the protocol allows."""

_Completed = Literal["table", "document", "model", "page", ""]
_Shown = tuple[str, str]  # a name as it is shown, and as it is compared
_SOURCES: Final[dict[str, _Completed]] = {"table": "table", "document": "document", "model": "model"}
_MAX_TYPED_CHARS: Final = 4_000
_REMEMBERED_SECONDS: Final = 2.0
# What stands before the last number of a page range, and where that range begins.
_BEGUN: Final = re.compile(r".*(?:,|、|(?P<first>(?<![0-9])[0-9]{1,9})\s*[-–])\s*", re.DOTALL)


def completer(redaction: Redaction | None) -> Complete:
    """Make what answers `completion/complete`, redacted where `redaction` is given.

    An unknown template, prompt or argument is -32602. What begins with the words typed comes first, then what has a
    name inside its folders that does, then what holds them; width, case, accents and the kind of kana don't matter.
    Where names are redacted, they are compared as they are shown: what fits would tell what stands behind them.
    """
    recent = _Recent(str if redaction is None else redaction.text)

    async def complete(context: ServerRequestContext[Services], params: CompleteRequestParams) -> CompleteResult:
        kind, about = _asked(params)
        typed, chosen = params.argument.value[:_MAX_TYPED_CHARS], about
        try:
            if redaction is not None:
                chosen = str(redaction.call({"chosen": chosen}).arguments["chosen"])
            values = await _values(context.lifespan_context, recent, kind, typed, chosen)
        except ContextError:  # what is typed names nothing yet
            values = []
        except Exception as error:
            _log.exception("completion failed")
            raise MCPError(INTERNAL_ERROR, "Completion failed inside the server; its log has details.") from error
        more = len(values) > MOST
        return CompleteResult(completion=Completion(values=values[:MOST], total=len(values), has_more=more))

    return complete


def _asked(params: CompleteRequestParams) -> tuple[_Completed, str]:
    """Tell what is to be completed, and which document its page is one of."""
    name = params.argument.name
    chosen = (params.context.arguments if params.context is not None else None) or {}
    if isinstance(params.ref, ResourceTemplateReference):
        return _of_template(params.ref.uri, name), chosen.get("name", "")
    return _of_prompt(params.ref, name), _document_of(params.ref.name, chosen)


def _of_template(uri: str, name: str) -> _Completed:
    template = next((one for one in TEMPLATES if one.uri_template == uri), None)
    if template is None:
        raise MCPError(INVALID_PARAMS, f"Unknown resource template: {uri[:200]}.")
    if name not in variables(template):
        raise MCPError(INVALID_PARAMS, f"{uri} has no {name[:200]!r}; it has {', '.join(variables(template))}.")
    if name == "n":
        return "page"
    return _SOURCES.get(uri.partition("://")[0], "")  # ids of results are known to whom they were told


def _of_prompt(ref: PromptReference, name: str) -> _Completed:
    from mcp_context_tools.prompts.catalogue import PROMPTS

    prompt = next((one for one in PROMPTS if one.name == ref.name), None)
    if prompt is None:
        raise MCPError(INVALID_PARAMS, f"Unknown prompt: {ref.name[:200]}.")
    if name not in (argument.name for argument in prompt.arguments):
        raise MCPError(INVALID_PARAMS, f"{ref.name} has no argument {name[:200]!r}.")
    return COMPLETED.get((ref.name, name), "")


def _document_of(prompt: str, chosen: Mapping[str, str]) -> str:
    """Return the document that was chosen before its pages."""
    return next((value for name, value in chosen.items() if COMPLETED.get((prompt, name)) == "document"), "")


class _Recent:
    """The sources of a moment ago: someone who types asks several times a second, of folders that may be large."""

    def __init__(self, show: Callable[[str], str]) -> None:
        self._show = show
        self._known: dict[bool, tuple[float, Catalogue]] = {}
        self._names: dict[_Completed, dict[str, _Shown]] = {}

    async def catalogue(self, services: Services, *, inside: bool) -> Catalogue:
        """Return what there is, with the tables inside files or, quicker, without."""
        made, known = self._known.get(inside, (0.0, None))
        if known is None or time.monotonic() - made > _REMEMBERED_SECONDS:
            known = (
                await services.tables.catalogue()
                if inside
                else await anyio.to_thread.run_sync(services.workspace.catalogue)
            )
            self._known[inside] = time.monotonic(), known
        return known

    def matching(self, kind: _Completed, names: list[str], typed: str) -> list[str]:
        """Return what `matching` does of names as they are shown. Takes long the first time: run it in a thread."""
        known = self._names.get(kind, {})
        if list(known) != names:
            known = self._names[kind] = {name: known.get(name) or self._shown(name) for name in names}
        return _fitting(dict.fromkeys(known.values()), typed)

    def _shown(self, name: str) -> _Shown:
        shown = self._show(name)
        return shown, _folded(shown)


async def _values(services: Services, recent: _Recent, kind: _Completed, typed: str, chosen: str) -> list[str]:
    if kind == "" or (kind == "page" and not chosen):
        return []
    catalogue = await recent.catalogue(services, inside=kind == "table")
    if kind == "page":
        return await _pages(services, catalogue, typed, chosen)
    sources = await services.models.available(catalogue) if kind == "model" else catalogue.of(kind)
    return await anyio.to_thread.run_sync(recent.matching, kind, [source.name for source in sources], typed)


async def _pages(services: Services, catalogue: Catalogue, typed: str, document: str) -> list[str]:
    name = document.removeprefix("document://")
    if catalogue.find("document", name) is None:
        name = unquote(name)
    source = await anyio.to_thread.run_sync(services.workspace.resolve, catalogue, "document", name)
    (count,) = await services.documents.page_counts([source])
    begun = _BEGUN.match(typed)
    before = begun[0] if begun is not None else ""
    first = int(begun["first"]) + 1 if begun is not None and begun["first"] else 1
    numbers = map(str, range(first, (count.pages or 0) + 1))
    return [f"{before}{number}" for number in matching(numbers, typed.removeprefix(before))]


def matching(names: Iterable[str], typed: str) -> list[str]:
    """Return the names that fit what was typed, the likeliest first, each kind in the order given."""
    return _fitting(((name, _folded(name)) for name in names), typed)


def _fitting(names: Iterable[_Shown], typed: str) -> list[str]:
    wanted = _folded(typed.strip())
    first: list[str] = []
    inside: list[str] = []
    holding: list[str] = []
    for name, folded in names:
        if folded.startswith(wanted):
            first.append(name)
        elif f"/{wanted}" in folded:
            inside.append(name)
        elif wanted in folded:
            holding.append(name)
    return [*first, *inside, *holding]


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    from mcp_context_resources.index.analysis.folding import fold, to_hiragana

    return to_hiragana(fold(text)).casefold()
