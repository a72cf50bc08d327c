"""The workspace: the roots and, fresh at every call, the catalogue of sources in them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from mcp_context_resources.cut_text import first_names
from mcp_context_resources.errors import ConfigurationError, NotFoundError
from mcp_context_resources.workspace.catalogue import Catalogue, Contents
from mcp_context_resources.workspace.discovery import FoundFile, Scan, scan
from mcp_context_resources.workspace.file_naming import FileNaming, Found, by_name, hold
from mcp_context_resources.workspace.folders import TableFolder, set_apart_partitioned, uniform_folders
from mcp_context_resources.workspace.ignore_rules import IGNORE_FILE, ignore_spec
from mcp_context_resources.workspace.name_matching import fitting
from mcp_context_resources.workspace.names import Spot, folder_names, lookup_key, table_names
from mcp_context_resources.workspace.roots import Roots, normal
from mcp_context_resources.workspace.source import FileVersion, Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcp_context_resources.provenance import Kind
    from mcp_context_resources.workspace.settings import WorkspaceSettings

_SHOWN_ENDINGS: Final = 6
_SHOWN_FILES: Final = 3
_MOST_CLASSIFIED: Final = 4_096
_READERS: Final[dict[Kind, str]] = {"table": "query_tables", "document": "read_document", "model": "run_model"}


class Workspace:
    """The served folders and what is in them.

    `formats` maps a kind to its file name endings, each to a format name: `{"table": {".csv": "csv"}}`; `companions`
    a format to endings of files that belong to one of it: `{"sqlite": ("-wal",)}`.
    """

    def __init__(
        self,
        settings: WorkspaceSettings,
        formats: Mapping[Kind, Mapping[str, str]],
        companions: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.roots = Roots(settings.roots)
        try:
            ignore_spec(settings.ignore)
        except ValueError as error:
            raise ConfigurationError(f"workspace.ignore {error}.", "Write patterns as in .gitignore.") from error
        self._settings = settings
        self._companions = companions or {}
        # Which file each name meant so far: as long as this server lives it never means another one.
        self._held: dict[Kind, dict[str, Spot]] = {"table": {}, "document": {}, "model": {}}
        # Longest endings first, so that `.csv.gz` is tried before `.gz`.
        self._endings: list[tuple[str, Kind, str]] = sorted(
            ((ending, kind, form) for kind, endings in formats.items() for ending, form in endings.items()),
            key=lambda item: (-len(item[0]), item[0]),
        )
        self._extensions = frozenset(ending for ending, _, _ in self._endings)
        beside = {ending + other for ending, _, form in self._endings for other in self._companions.get(form, ())}
        self._telling = (*self._extensions, *beside, IGNORE_FILE)
        self._most_parts = max((ending.count(".") for ending in self._extensions), default=1)
        self._classified: dict[tuple[str, ...], dict[Kind, str]] = {}
        self._documents = FileNaming(partial(self._source, "document"), self._held["document"])
        self._models = FileNaming(partial(self._source, "model"), self._held["model"])
        self._last: tuple[Scan, Catalogue] | None = None
        self._seen: Mapping[str, FoundFile] = {}
        # Two threads that look at once only take turns at every file.
        self._looking = threading.Lock()

    def may_serve(self, name: str) -> bool:
        """Tell by its name whether a file may be served, belong to one that is, or say what is left out."""
        return name.lower().endswith(self._telling)

    def look(self) -> Scan:
        """Look at the disk. Blocking: run it in a thread."""
        with self._looking:
            found = scan(self.roots, self._settings, self._extensions, self._seen)
            self._seen = found.by_path
        found.files = [
            replace(file, beside=_state_of(file, endings))
            if (endings := self._companions.get(self._classify(file.relative).get("table", "")))
            else file
            for file in found.files
        ]
        return found

    def table_files(self, found: Scan) -> list[Found]:
        """Return the files of a look that hold tables."""
        return self._of_kind(found, "table")

    def fingerprint(self, file: FoundFile, form: str) -> str:
        """Identify a version of a file before it has a name."""
        return self._source("table", "", file, form).fingerprint

    def catalogue(self, found: Scan | None = None, contents: Mapping[str, Contents] | None = None) -> Catalogue:
        """Name what is there: now, or at the moment of a look. Blocking without one.

        `contents` tells, by fingerprint, what is in the table files that were looked into; others are one table each.
        """
        if found is not None or contents:
            return self._named(found or self.look(), contents or {})
        found = self.look()
        known = self._last
        if known is None or known[0] != found:
            known = self._last = found, self._named(found, {})
        return known[1]

    def _named(self, found: Scan, contents: Mapping[str, Contents]) -> Catalogue:
        tables, notices = self._tables(found, contents)
        documents = self._documents.sources(self._of_kind(found, "document"))
        models = self._models.sources(self._of_kind(found, "model"))
        first = [found.limit] if found.limit else []
        notices = [*first, *found.notices, *notices, *_about_others(found.others)]
        return Catalogue((*tables, *documents, *models), tuple(notices), tuple(found.others), found.limit)

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
        self.check(source)
        return source

    def check(self, source: Source) -> None:
        """Make sure that a source's files still lie inside the roots.

        Raises `AccessDeniedError`, `NotFoundError`, `UnreadableSourceError`.
        """
        for one in source.members or (source,):
            if (path := one.origin or one.location) is not None:
                self.roots.check(path)

    def _by_path(self, catalogue: Catalogue, kind: Kind, path: str) -> Source | None:
        looks_like_path = any(mark in path for mark in ("/", "\\", "\0")) or path.startswith((".", "~"))
        for source in catalogue.of(kind):
            if lookup_key(path) == lookup_key(source.file):
                return source
        if not looks_like_path:
            return None
        path = path.removeprefix("file://")
        real = self.roots.check(path if os.path.isabs(path) else self._relative(path))
        same = [source for source in catalogue.of(kind) if source.location == real]
        # Of a file and links to it, the one whose own name was given.
        return next((source for source in same if Path(source.file).name == Path(path).name), same[0] if same else None)

    def _relative(self, path: str) -> Path:
        """Place a relative path below the first root that holds it; never below the current directory."""
        roots = [root.path for root in self.roots]
        return next((root / path for root in roots if os.path.exists(root / path)), roots[0] / path)

    def _classify(self, file_name: str) -> dict[Kind, str]:
        """Tell by its longest known ending what a file is: a web page is a document, and may hold tables, too."""
        lower = file_name.rpartition("/")[2].lower()
        dotted = tuple(lower.split(".")[1:][-self._most_parts :])
        if (known := self._classified.get(dotted)) is not None:
            return known
        longest = next(ending for ending, _, _ in self._endings if lower.endswith(ending))
        found = {kind: form for ending, kind, form in self._endings if ending == longest}
        if len(self._classified) < _MOST_CLASSIFIED:
            self._classified[dotted] = found
        return found

    def _of_kind(self, found: Scan, kind: Kind) -> list[Found]:
        classified = ((file, self._classify(file.relative).get(kind)) for file in found.files)
        return [(file, form) for file, form in classified if form is not None]

    def _tables(self, found: Scan, contents: Mapping[str, Contents]) -> tuple[list[Source], list[str]]:
        empty, notices = [], []
        partitioned, files = set_apart_partitioned(self.table_files(found))
        spots: list[Spot] = []
        parts: list[tuple[FoundFile, str, str]] = []
        shapes: dict[str, str] = {}
        for file, form in files:
            inside = contents.get(self.fingerprint(file, form), Contents())
            shapes[str(file.path)] = inside.shape
            if not inside.parts and not inside.problem and "document" not in self._classify(file.relative):
                empty.append(file.relative)
            if inside.left_out:
                notices.append(f"{inside.left_out:,} tables of {file.relative} beyond the first {len(inside.parts):,}")
            for part in inside.parts:
                # A file of one table is called by its own name, whatever the table is called inside.
                spots.append((file.root.name, file.relative, part if len(inside.parts) > 1 else ""))
                parts.append((file, form, part))
        names = table_names(spots, self._held["table"])
        hold(self._held["table"], names, spots)
        tables = [
            self._source("table", name, file, form, part) for name, (file, form, part) in zip(names, parts, strict=True)
        ]
        folders = self._folders([*partitioned, *uniform_folders(files, shapes)], tables)
        return by_name([*tables, *folders]), [*notices, *_about_empty(empty)]

    def _folders(self, folders: Sequence[TableFolder], tables: Sequence[Source]) -> list[Source]:
        """Make a table of each folder; the names of files come first."""
        spots: list[Spot] = [(folder.root, f"{folder.relative}/", folder.format) for folder in folders]
        taken: dict[str, Spot] = {lookup_key(table.name): ("", "", "") for table in tables}
        names = folder_names(spots, self._held["table"] | taken)
        free = [place for place, name in enumerate(names) if lookup_key(name) not in taken]
        hold(self._held["table"], [names[place] for place in free], [spots[place] for place in free])
        return [self._folder(names[place], folders[place]) for place in free]

    def _folder(self, name: str, folder: TableFolder) -> Source:
        members = tuple(self._source("table", "", file, folder.format) for file in folder.files)
        first = folder.files[0]
        ending = f"{folder.relative}/".lstrip("/") + ("**/" if folder.partitioned else "") + f"*.{folder.format}"
        return Source(
            kind="table",
            name=name,
            location=first.root.path / folder.relative,
            file=normal(f"{folder.root}/{ending}" if len(self.roots) > 1 else ending),
            format=folder.format,
            version=FileVersion(
                modified_ns=max(file.modified_ns for file in folder.files),
                changed_ns=max(file.changed_ns for file in folder.files),
                size=sum(file.size for file in folder.files),
                inode=0,
            ),
            members=members,
            partitioned=folder.partitioned,
        )

    def _source(self, kind: Kind, name: str, file: FoundFile, form: str, part: str = "") -> Source:
        shown = normal(f"{file.root.name}/{file.relative}" if len(self.roots) > 1 else file.relative)
        return Source(
            kind=kind,
            name=name,
            location=file.path,
            file=f"{shown}#{part}" if part else shown,
            format=form,
            version=FileVersion(file.modified_ns, file.changed_ns, file.size, file.inode, file.beside),
            part=part,
        )


def _state_of(file: FoundFile, endings: Sequence[str]) -> str:
    states = []
    for ending in endings:
        with contextlib.suppress(OSError):
            status = os.stat(f"{file.path}{ending}")
            states.append(f"{ending}:{status.st_mtime_ns}:{status.st_size}")
    return ";".join(states)


def _about_empty(files: Sequence[str]) -> list[str]:
    """Say in one line which files could hold tables but don't."""
    if not files:
        return []
    noun = "file" if len(files) == 1 else "files"
    return [f"{len(files)} {noun} without a table ({first_names(files, _SHOWN_FILES)})"]


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
    candidates = [source.ref() for source in fitting(wanted, catalogue.of(kind))]
    return NotFoundError(f"There is no {kind} named {wanted!r}.", hint, wanted=wanted, candidates=candidates)
