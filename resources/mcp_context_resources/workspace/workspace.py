"""The workspace: the roots and, fresh at every call, the catalogue of sources in them."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from mcp_context_resources.errors import ConfigurationError, NotFoundError
from mcp_context_resources.workspace.discovery import FoundFile, ignore_spec, scan
from mcp_context_resources.workspace.names import file_names, lookup_key, table_names
from mcp_context_resources.workspace.roots import Roots, normal
from mcp_context_resources.workspace.source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcp_context_resources.provenance import Kind
    from mcp_context_resources.workspace.settings import WorkspaceSettings

_SUGGESTIONS: Final = 3
_SHOWN_ENDINGS: Final = 6
_READERS: Final[dict[Kind, str]] = {"table": "query_tables", "document": "read_document", "model": "run_model"}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All sources at one moment, in a stable order: tables, documents, models, each by name.

    `unserved` are files of kinds that nothing here reads.
    """

    sources: tuple[Source, ...]
    notices: tuple[str, ...] = ()
    unserved: tuple[str, ...] = ()
    _by_key: dict[tuple[str, str], Source] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for source in self.sources:
            self._by_key[source.kind, lookup_key(source.name)] = source

    def of(self, kind: Kind) -> tuple[Source, ...]:
        """Return the sources of one kind."""
        return tuple(source for source in self.sources if source.kind == kind)

    def find(self, kind: Kind, name: str) -> Source | None:
        """Return the source of that kind and name (NFC, case ignored), or None."""
        return self._by_key.get((kind, lookup_key(name)))

    def near(self, kind: Kind, name: str) -> list[str]:
        """Return up to three names of that kind which resemble `name`, the likeliest first."""
        by_key = {lookup_key(source.name): source.name for source in self.of(kind)}
        wanted = lookup_key(name)
        # A bare name that two files claim comes first, then the similar, then names that hold the wanted one.
        same = [key for key in by_key if key.endswith((f"_{wanted}", f"/{wanted}")) or key.startswith(f"{wanted}_")]
        holding = [key for key in by_key if len(wanted) > 1 and (wanted in key or key in wanted)]
        close = difflib.get_close_matches(wanted, by_key, n=_SUGGESTIONS, cutoff=0.5)
        return [by_key[key] for key in dict.fromkeys([*same, *close, *holding])][:_SUGGESTIONS]


class Workspace:
    """The served folders and what is in them.

    `formats` maps a kind to its file name endings, each to a format name: `{"table": {".csv": "csv"}}`.
    """

    def __init__(self, settings: WorkspaceSettings, formats: Mapping[Kind, Mapping[str, str]]) -> None:
        self.roots = Roots(settings.roots)
        try:
            ignore_spec(settings.ignore)
        except ValueError as error:
            raise ConfigurationError(f"workspace.ignore {error}.", "Write patterns as in .gitignore.") from error
        self._settings = settings
        # Which file each name meant so far: as long as this server lives it never means another one.
        self._held: dict[Kind, dict[str, tuple[str, str]]] = {"table": {}, "document": {}, "model": {}}
        # Longest endings first, so that `.csv.gz` is tried before `.gz`.
        self._endings: list[tuple[str, Kind, str]] = sorted(
            ((ending, kind, form) for kind, endings in formats.items() for ending, form in endings.items()),
            key=lambda item: (-len(item[0]), item[0]),
        )
        self._extensions = frozenset(ending for ending, _, _ in self._endings)

    def catalogue(self) -> Catalogue:
        """Look at the disk and name what is there now. Blocking: run it in a thread."""
        found = scan(self.roots, self._settings, self._extensions)
        by_kind: dict[Kind, list[tuple[FoundFile, str]]] = {"table": [], "document": [], "model": []}
        for file in found.files:
            kind, form = self._classify(file.relative)
            by_kind[kind].append((file, form))
        sources = [source for kind, files in by_kind.items() for source in self._named(kind, files)]
        return Catalogue(tuple(sources), (*found.notices, *_about_others(found.others)), tuple(found.others))

    def resolve(self, catalogue: Catalogue, kind: Kind, name: str) -> Source:
        """Find a source by name, URI, or path (absolute inside a root, or relative to one).

        Raises `AccessDeniedError` for a path that leads outside the roots, `NotFoundError` (with near misses) for
        anything unknown.
        """
        prefix = f"{kind}://"
        wanted = unquote(name[len(prefix) :]) if name.startswith(prefix) else name
        source = catalogue.find(kind, wanted) or self._by_path(catalogue, kind, wanted)
        if source is None:
            raise _not_found(catalogue, kind, wanted)
        self.roots.check(source.path)
        return source

    def _by_path(self, catalogue: Catalogue, kind: Kind, path: str) -> Source | None:
        looks_like_path = any(mark in path for mark in ("/", "\\", "\0")) or path.startswith((".", "~"))
        for source in catalogue.of(kind):
            if lookup_key(path) == lookup_key(source.file):
                return source
        if not looks_like_path:
            return None
        path = path.removeprefix("file://")
        real = self.roots.check(path if os.path.isabs(path) else self._relative(path))
        same = [source for source in catalogue.of(kind) if source.path == real]
        # Of a file and links to it, the one whose own name was given.
        return next((source for source in same if Path(source.file).name == Path(path).name), same[0] if same else None)

    def _relative(self, path: str) -> Path:
        """Place a relative path below the first root that holds it; never below the current directory."""
        roots = [root.path for root in self.roots]
        return next((root / path for root in roots if os.path.exists(root / path)), roots[0] / path)

    def _classify(self, file_name: str) -> tuple[Kind, str]:
        lower = file_name.lower()
        return next((kind, form) for ending, kind, form in self._endings if lower.endswith(ending))

    def _named(self, kind: Kind, files: Sequence[tuple[FoundFile, str]]) -> list[Source]:
        spots = [(file.root.name, file.relative) for file, _ in files]
        make = table_names if kind == "table" else file_names
        names = make(spots, self._held[kind])
        self._held[kind].update((lookup_key(name), spot) for name, spot in zip(names, spots, strict=True))
        several = len(self.roots) > 1
        sources = [
            Source(
                kind=kind,
                name=name,
                path=file.path,
                file=normal(f"{file.root.name}/{file.relative}" if several else file.relative),
                format=form,
                size=file.size,
                modified_ns=file.modified_ns,
                changed_ns=file.changed_ns,
                inode=file.inode,
            )
            for name, (file, form) in zip(names, files, strict=True)
        ]
        return sorted(sources, key=lambda source: (lookup_key(source.name), source.name))


def _about_others(files: Sequence[str]) -> list[str]:
    """Say in one line how many files of which kinds are not served."""
    if not files:
        return []
    endings = Counter(Path(file).suffix.lower() or "no ending" for file in files)
    shown = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(_SHOWN_ENDINGS))
    return [f"files of other kinds ({shown}{', …' if len(endings) > _SHOWN_ENDINGS else ''})"]


def _not_found(catalogue: Catalogue, kind: Kind, wanted: str) -> NotFoundError:
    """Tell why a name leads nowhere: another kind, a file that isn't served, or a slip."""
    for other, tool in _READERS.items():
        if other != kind and catalogue.find(other, wanted) is not None:
            return NotFoundError(f"{wanted!r} is a {other}, not a {kind}.", f"Use {tool}.")
    key = lookup_key(wanted)
    for file in catalogue.unserved:
        if key in (lookup_key(file), lookup_key(Path(file).name)):
            ending = Path(file).suffix or "such"
            return NotFoundError(
                f"{wanted!r} is there, but {ending} files are not served.", "Save it as CSV, Parquet or PDF."
            )
    near = catalogue.near(kind, wanted)
    hint = f"Did you mean {', '.join(near)}?" if near else "Call list_sources to see what there is."
    return NotFoundError(f"There is no {kind} named {wanted!r}.", hint)
