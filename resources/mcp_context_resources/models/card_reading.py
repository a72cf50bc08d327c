"""Card reading: what model files are, read in a confined process that ends with the call."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import anyio

from mcp_context_resources.errors import ModelUnavailableError
from mcp_context_resources.models.formats import split_part
from mcp_context_resources.models.model_card import ModelCard, UnreadableModel
from mcp_context_resources.workers.batch import ask_each
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.function import WorkerFunction
from mcp_context_resources.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_READ_CARDS: Final[WorkerFunction[list[ModelCard | UnreadableModel], Sequence[tuple[str, str]]]] = WorkerFunction(
    "mcp_context_resources.models.gguf.card:read_cards"
)
_MEMORY_BYTES: Final = 512 << 20
_SECONDS: Final = 10.0


def read_cards(files: Sequence[tuple[Path, str]]) -> list[ModelCard | UnreadableModel]:
    """Read what model files are, each given with its name; of a model in several files, the first.

    Nothing but these files can be read meanwhile. One that the process dies of, or that takes ten seconds, is
    unreadable; the others are read all the same. Blocking, from any thread, a second or so.
    """
    if not files:
        return []
    with ThreadPoolExecutor(1) as thread:  # the caller's may have an event loop
        return thread.submit(anyio.run, _read, files).result()


def read_card(path: Path, name: str | None = None) -> ModelCard:
    """Read what one model file is; errors call it `name`, or by its file name. Blocking.

    Raises `ModelUnavailableError` for a file that isn't a whole GGUF, and for a model with parts missing.
    """
    (card,) = read_cards([(path, name or path.name)])
    if isinstance(card, UnreadableModel):
        raise ModelUnavailableError(card.message, card.hint)
    return card


async def _read(files: Sequence[tuple[Path, str]]) -> list[ModelCard | UnreadableModel]:
    readable = tuple(dict.fromkeys(str(one) for path, _ in files for one in _parts(path)))
    confinement = Confinement(readable=readable, memory_bytes=_MEMORY_BYTES)
    pool = WorkerPool("model card", size=1, confinement=confinement, preload=(_READ_CARDS.module,))

    async def ask(some: Sequence[tuple[Path, str]]) -> list[ModelCard | UnreadableModel]:
        return await pool.run(_READ_CARDS, [(str(path), name) for path, name in some], deadline=_SECONDS)

    try:
        return [card for _, card in await ask_each(files, ask, _unreadable)]
    finally:
        await pool.aclose()


def _parts(path: Path) -> list[Path]:
    part = split_part(path.name)
    parts = [path.with_name(part.sibling(number)) for number in range(1, part.count + 1)] if part else [path]
    return [part for part in parts if part.is_file()]


def _unreadable(message: str) -> UnreadableModel:
    return UnreadableModel(
        f"What the model is can't be read from its file: {message}", "Fetch the file again, or name another model."
    )
