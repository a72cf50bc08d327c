"""Registry of the models on this machine, and of what each of them is. Everything may block: run it in a thread."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mcp_context_resources.cache import Cache
from mcp_context_resources.errors import ModelUnavailableError
from mcp_context_resources.models.formats import FORMAT, SplitPart, is_projector_name, split_part
from mcp_context_resources.models.kept_cards import KeptCards
from mcp_context_resources.models.model_card import UnreadableModel
from mcp_context_resources.models.model_store import store_folder, stored_files
from mcp_context_resources.models.packaged import make_ready, packaged_models
from mcp_context_resources.storage import StorageSettings
from mcp_context_resources.workspace.names import file_names, lookup_key
from mcp_context_resources.workspace.source import FileVersion, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from mcp_context_resources.models.model_card import ModelCard
    from mcp_context_resources.models.packaged import PackagedModel
    from mcp_context_resources.models.settings import ModelSettings
    from mcp_context_resources.workspace.catalogue import Catalogue

HOW_TO_GET_ONE: Final = (
    "Install one with: pip install 'fresh-context[starter]', or put a GGUF file in a served folder"
    " and install 'fresh-context[model]'."
)

_CACHE_KIND: Final = "models"
_CARDS_KIND: Final = "model_cards"
_WORD: Final = re.compile(r"[^\W_]{2,}")
_COMMON: Final = frozenset("gguf mmproj proj model f16 f32 bf16 q4 q5 q6 q8 of it chat instruct".split())


def runtime_installed() -> bool:
    """Tell whether llama-cpp-python and llguidance are there, without importing them."""
    return all(importlib.util.find_spec(name) is not None for name in ("llama_cpp", "llguidance"))


def models(catalogue: Catalogue, settings: ModelSettings) -> list[Source]:
    """List the models that can be named: settings first, then roots, store and packages; no name twice."""
    return Registry(settings).models(catalogue)


def is_called(source: Source, name: str) -> bool:
    """Tell whether a model goes by that name: its own, without ending, without part number, or as a URI."""
    part = split_part(source.location.name) if source.location is not None else None
    names = {source.name, source.name.removesuffix(".gguf"), *((part.stem,) if part is not None else ())}
    return lookup_key(name.removeprefix("model://")) in map(lookup_key, names)


class Registry:
    """The models of settings, served folders, store and installed packages.

    What was read of a file is kept until the file changes. Models made of a package's contents lie in the cache folder,
    by default the user's. Any thread may call it.
    """

    def __init__(
        self, settings: ModelSettings, cache_folder: Path | None = None, max_cache_bytes: int = 5 << 30
    ) -> None:
        self._settings = settings
        folder = cache_folder or StorageSettings().folder()
        self._cache = Cache(folder, _CACHE_KIND, max_cache_bytes)
        self._made = folder / _CACHE_KIND
        self._cards = KeptCards(Cache(folder, _CARDS_KIND, max_cache_bytes) if cache_folder is not None else None)
        self._projectors: dict[Path, Path] = {}
        self._converting = threading.Lock()

    def readable(self) -> tuple[str, ...]:
        """Return the files and folders, besides the served ones, that whoever runs these models must read."""
        files = [path.expanduser().resolve() for path in self._settings.files]
        named = [str(found) for path in files for found in (path, *_beside(path))]
        packages = [str(model.file) for model in packaged_models() if not model.converted]
        return (*named, str(store_folder(self._settings)), str(self._made), *packages)

    def models(self, catalogue: Catalogue) -> list[Source]:
        """List the models that can be named; files that aren't readable are among them, and tell so when used.

        Adapters, projectors and the like are no models of their own.
        """
        files = self.files(catalogue)
        self._read(files)
        known = [(source, card) for source in files if (card := self._known(source)) is not None]
        self._projectors = _projectors(known)
        return [source for source in files if self._is_model(source)]

    def cards(self, sources: Iterable[Source]) -> list[tuple[Source, ModelCard]]:
        """Return those of the sources that are readable models on this machine, each with what it is."""
        files = [source for source in sources if source.format == FORMAT]
        self._read(files)
        known = [(source, self._known(source)) for source in files]
        return [(source, self._with_projector(source, card)) for source, card in known if card is not None]

    def projector_of(self, source: Source) -> str:
        """Return the path of the projector that `models` last found for a model, "" for one that can't see."""
        return str(self._projectors.get(source.path, ""))

    def card(self, source: Source) -> ModelCard:
        """Return what a model is.

        Raises `ModelUnavailableError` for a file that is no whole model.
        """
        (known,) = self._read([source])
        if isinstance(known, UnreadableModel):
            raise ModelUnavailableError(known.message, known.hint)
        return known

    def make_ready(self, source: Source) -> Path:
        """Return the model's file; one that a package ships in another format is converted now, if it wasn't before.

        Raises `ModelUnavailableError`, `StorageError`.
        """
        model = self._packaged(source) if source.origin is not None else None
        if model is None:
            return source.path
        with self._converting:
            return make_ready(model, self._cache)

    def _read(self, sources: Sequence[Source]) -> list[ModelCard | UnreadableModel]:
        """Return what models are, as their files or packages tell."""
        packaged = [self._packaged(source) for source in sources]
        files = [source for source, model in zip(sources, packaged, strict=True) if model is None or model.card is None]
        read = dict(zip((source.path for source in files), self._cards.of(files), strict=True))
        found: list[ModelCard | UnreadableModel] = []
        for source, model in zip(sources, packaged, strict=True):
            card = model.card if model is not None and model.card is not None else read[source.path]
            if model is not None and not isinstance(card, UnreadableModel):
                card = replace(card, package=model.package)
            found.append(card)
        return found

    def _packaged(self, source: Source) -> PackagedModel | None:
        if not self._settings.starter:
            return None
        made_of = source.origin or source.path
        return next((model for model in packaged_models() if model.file == made_of), None)

    def _known(self, source: Source) -> ModelCard | None:
        (known,) = self._read([source])
        return None if isinstance(known, UnreadableModel) else known

    def _is_model(self, source: Source) -> bool:
        card = self._known(source)
        if card is None:
            return not is_projector_name(source.path.name)
        return card.kind == "model"

    def files(self, catalogue: Catalogue) -> list[Source]:
        """List all GGUF files, adapters and projectors among them; the parts of one model are one."""
        found: dict[str, Source] = {}
        for files in (self._named(), catalogue.of("model"), self._stored(), self._in_packages()):
            for source in _joined(list(files)):
                found.setdefault(lookup_key(source.name), source)
        return list(found.values())

    def _named(self) -> Iterator[Source]:
        for path in self._settings.files:
            real = path.expanduser().resolve()
            yield from _sources((real, str(path)), *((file, file.name) for file in _beside(real)))

    def _stored(self) -> Iterator[Source]:
        folder = store_folder(self._settings)
        paths = sorted(stored_files(folder))
        spots = [("models", path.relative_to(folder).as_posix(), "") for path in paths]
        for path, name, (_, relative, _) in zip(paths, file_names(spots), spots, strict=True):
            yield from (replace(source, name=name) for source in _sources((path, relative)))

    def _in_packages(self) -> Iterator[Source]:
        for model in packaged_models() if self._settings.starter else ():
            for source in _sources((model.file, f"{model.package}/{model.file.name}")):
                if not model.converted:
                    yield source
                    continue
                # With the times of what it is made of, it stays the same source when it is made.
                path = self._made / model.converted
                yield replace(source, name=model.name, location=path, origin=model.file)

    def _with_projector(self, source: Source, card: ModelCard) -> ModelCard:
        projector = self.projector_of(source)
        return replace(card, projector=projector, roles=(*card.roles, "vision")) if projector else card


def _beside(path: Path) -> list[Path]:
    """Return what belongs to a model that was named by its path: projectors, and its further parts."""
    part = split_part(path.name)
    found: list[Path] = []
    with contextlib.suppress(OSError):
        found = sorted(file for file in path.parent.glob("*.gguf") if file != path and is_projector_name(file.name))
    if part is not None:
        found += [path.with_name(part.sibling(number)) for number in range(1, part.count + 1) if number != part.number]
    return [file for file in found if file.is_file()]


def _sources(*files: tuple[Path, str]) -> Iterator[Source]:
    """Make sources of files and the paths they are shown by, of those that are there."""
    for path, shown in files:
        try:
            status = path.stat()
        except OSError:
            continue
        yield Source(
            kind="model",
            name=path.name,
            location=path,
            file=shown,
            format=FORMAT,
            version=FileVersion(status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino),
        )


def _joined(files: Sequence[Source]) -> Iterator[Source]:
    """Make one source of the parts of each model in several files: its first part, with the size of all."""
    groups: dict[tuple[str, ...], list[tuple[SplitPart, Source]]] = {}
    for source in files:
        if part := split_part(source.path.name):
            key = (str(source.path.parent), part.stem, str(part.count))
            groups.setdefault(key, []).append((part, source))
    for source in files:
        part = split_part(source.path.name)
        if part is None:
            yield source
            continue
        group = groups.pop((str(source.path.parent), part.stem, str(part.count)), None)
        if group is None:
            continue
        members = _distinct(member for _, member in sorted(group, key=lambda item: item[0].number))
        modified, changed, _, inode = members[0].state
        version = FileVersion(modified, changed, sum(member.size for member in members), inode)
        yield replace(members[0], version=version, members=members)


def _distinct(sources: Iterable[Source]) -> tuple[Source, ...]:
    return tuple({source.path: source for source in sources}.values())


def _projectors(known: Sequence[tuple[Source, ModelCard]]) -> dict[Path, Path]:
    """Return for each model that can see the projector beside it that fits.

    Where one fits several models, or several fit one, it is the one whose name is most like the model's.
    """
    projectors = [(source.path, card) for source, card in known if card.kind == "projector"]
    writers = [(source.path, card) for source, card in known if "chat" in card.roles]

    def fits(model: tuple[Path, ModelCard], projector: tuple[Path, ModelCard]) -> bool:
        same_width = projector[1].projection in {0, model[1].embedding_length}
        return same_width and projector[0].parent == model[0].parent

    def alike(model: Path, projector: Path) -> int:
        return len(_words(model.name) & _words(projector.name))

    found: dict[Path, Path] = {}
    for model in writers:
        fitting = [projector for projector in projectors if fits(model, projector)]
        fitting = [
            projector
            for projector in fitting
            if alike(model[0], projector[0]) or sum(fits(other, projector) for other in writers) == 1
        ]
        if fitting:
            found[model[0]] = max(fitting, key=lambda projector: alike(model[0], projector[0]))[0]
    return found


def _words(file_name: str) -> set[str]:
    """Return the words of a file name that tell one model from another."""
    return {word for word in _WORD.findall(file_name.lower()) if word not in _COMMON}
