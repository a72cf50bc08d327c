"""The models of this machine as the command line sees them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import ContextError, NotFoundError
from mcp_context_resources.models.formats import MODEL_FORMATS
from mcp_context_resources.models.model_store import store_folder
from mcp_context_resources.models.registry import Registry, is_called
from mcp_context_resources.models.router import Requirements, choose
from mcp_context_resources.workspace.workspace import Workspace

if TYPE_CHECKING:
    from mcp_context_resources.models.model_card import ModelCard
    from mcp_context_resources.models.spec import Role
    from mcp_context_resources.workspace.source import Source
    from mcp_server.settings import Settings

ROLES: Final[tuple[Role, ...]] = ("chat", "embed", "rerank", "vision")


class LocalModels:
    """The models that settings give; `name` is the one that is meant, or the path of a GGUF file to offer besides."""

    def __init__(self, settings: Settings, name: str | None = None) -> None:
        self.name = name
        if name is not None and name.lower().endswith(".gguf") and Path(name).expanduser().is_file():
            file = Path(name).expanduser().resolve()
            self.name = file.name
            models = settings.models.model_copy(update={"files": (file, *settings.models.files)})
            settings = settings.model_copy(update={"models": models})
        self.settings = settings
        self.workspace = Workspace(settings.workspace, {"model": MODEL_FORMATS})
        self.catalogue = self.workspace.catalogue()
        self.registry = Registry(settings.models, settings.storage.folder(), settings.storage.max_cache_bytes)
        self.sources = self.registry.models(self.catalogue)

    def named(self) -> Source:
        """Return the model, or the adapter or projector, that goes by the name.

        Raises `NotFoundError`.
        """
        for source in (*self.sources, *self.registry.files(self.catalogue)):
            if is_called(source, self.name or ""):
                return source
        names = ", ".join(source.name for source in self.sources[:10])
        raise NotFoundError(f"There is no model named {self.name!r}.", f"There is {names or 'none'}.")

    def defaults(self) -> dict[str, list[Role]]:
        """Return for what a model is taken when none is named, by its path."""
        found: dict[str, list[Role]] = {}
        candidates = self.registry.cards(self.sources)
        for role in ROLES:
            try:
                choice = choose(candidates, Requirements(role), self.settings.models)
            except ContextError:
                continue
            found.setdefault(str(choice.source.path), []).append(role)
        return found

    def where(self, source: Source, card: ModelCard | None) -> str:
        """Tell where a model comes from."""
        if card is not None and card.package:
            return f"package {card.package}"
        folder = store_folder(self.settings.models)
        return f"pulled or added ({source.file})" if source.path.is_relative_to(folder) else str(source.path.parent)
