"""The folder of models that were pulled or added: what lies in it, and how a file comes in and goes out."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import InvalidInputError, StorageError
from mcp_context_resources.models.card_reading import read_card
from mcp_context_resources.models.file_digests import sha256_of
from mcp_context_resources.models.formats import is_projector_name, split_part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.models.settings import ModelSettings
    from mcp_context_resources.workspace.source import Source

_MAX_FILES: Final = 1_000
_DEPTH: Final = 3
_UNFINISHED: Final = ".new-"
_MAX_NAME: Final = 200
_WORD: Final = re.compile(r"[^\W_]+")
_NO_NAME: Final = frozenset(("mmproj", "model", "f16", "f32", "bf16", "fp16", "q8", "0"))


@dataclass(frozen=True, slots=True)
class Removed:
    """What was taken out of the store: how many files, and how many bytes the disk has free for it."""

    files: int
    bytes: int


def store_folder(settings: ModelSettings) -> Path:
    """Return the folder of models that were pulled or added; it may not exist yet."""
    import platformdirs

    folder = settings.folder or platformdirs.user_data_path("fresh-context", appauthor=False) / "models"
    return folder.expanduser().absolute()


def stored_files(folder: Path) -> Iterator[Path]:
    """Find the models of the store, at most 1,000: in it, and in folders of owners and repositories."""
    found = 0
    pending = [(folder, 1)]
    while pending and found < _MAX_FILES:
        current, depth = pending.pop()
        entries: list[Path] = []
        with contextlib.suppress(OSError):
            entries = [entry for entry in current.iterdir() if not entry.name.startswith(".")]
        for entry in entries[:_MAX_FILES]:
            if entry.suffix.lower() == ".gguf" and entry.is_file():
                found += 1
                yield entry
            elif depth < _DEPTH and entry.is_dir():
                pending.append((entry, depth + 1))


def add(file: Path, folder: Path, name: str | None = None) -> Path:
    """Put a model, and all of its parts, into the store under its own name or `name`; returns its file there.

    Where the disk allows it the file is linked and takes no more room. Nothing happens when it is there already.

    Raises `ModelUnavailableError` when the file is no whole GGUF, `InvalidInputError` for a bad name or one that
    another model has, and `StorageError`.
    """
    file = file.expanduser().resolve()
    read_card(file)
    part = split_part(file.name)
    files = [file.with_name(part.sibling(number)) for number in range(1, part.count + 1)] if part else [file]
    if name is not None and part is not None:
        raise InvalidInputError(
            f"{file.name} is one of {part.count} parts, whose names must stay.", "Leave out --name."
        )
    targets = [folder / _checked(name or one.name) for one in files]
    for source, target in zip(files, targets, strict=True):
        if target.exists() and not _same(source, target):
            raise InvalidInputError(
                f"There is another model named {target.name} already.", "Give it another name with --name."
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source, target in zip(files, targets, strict=True):
            if not target.exists():
                _place(source, target)
    except OSError as error:
        raise StorageError(
            f"The folder of the models can't be written: {error.strerror or 'unknown reason'}.",
            "Free disk space, or choose another folder with models.folder.",
        ) from error
    return targets[0]


def remove(source: Source, folder: Path) -> Removed:
    """Take a model out of the store, with its parts, its projector and folders that are empty then.

    Raises `InvalidInputError` for a model that doesn't lie in the store, and `StorageError`.
    """
    if not source.path.is_relative_to(folder):
        raise InvalidInputError(
            f"{source.name} was neither pulled nor added: it lies in {source.path.parent}.",
            "Only models of the store are removed; delete the file yourself if you mean it.",
        )
    files = [member.path for member in source.members] or [source.path]
    files += _projectors(source.path, set(stored_files(source.path.parent)) - set(files), shared=folder)
    freed = 0
    try:
        for file in files:
            status = file.stat()
            file.unlink()
            freed += status.st_size if status.st_nlink == 1 else 0
    except OSError as error:
        raise StorageError(
            f"{source.name} can't be removed: {error.strerror}.", "Check who may write there."
        ) from error
    for parent in source.path.parents:
        if parent == folder or not parent.is_relative_to(folder):
            break
        with contextlib.suppress(OSError):  # not empty
            for leftover in parent.glob(".*.part*"):
                leftover.unlink()
            parent.rmdir()
    return Removed(len(files), freed)


def _projectors(model: Path, others: set[Path], *, shared: Path) -> list[Path]:
    """Return the projectors that only the model needs: all in a repository's folder, else those named as it is."""
    if is_projector_name(model.name):
        return []
    projectors = sorted(other for other in others if is_projector_name(other.name))
    if model.parent != shared:
        return projectors if len(projectors) == len(others) else []
    models = [_words(other) for other in others if not is_projector_name(other.name)]

    def is_own(projector: Path) -> bool:
        words = _words(projector)
        needed = any(other[: len(words)] == words for other in models)
        return bool(words) and _words(model)[: len(words)] == words and not needed

    return [projector for projector in projectors if projector.parent == shared and is_own(projector)]


def _words(file: Path) -> list[str]:
    return [word for word in _WORD.findall(file.stem.lower()) if word not in _NO_NAME]


def _checked(name: str) -> str:
    name = name if name.lower().endswith(".gguf") else f"{name}.gguf"
    if (
        Path(name).name != name
        or "\\" in name
        or name.startswith(".")
        or not name.isprintable()
        or len(name) > _MAX_NAME
    ):
        raise InvalidInputError(
            f"{name[:_MAX_NAME]!r} is no name for a model.", "Use a plain file name, without folders."
        )
    return name


def _same(one: Path, other: Path) -> bool:
    if one.samefile(other):
        return True
    return one.stat().st_size == other.stat().st_size and sha256_of(one) == sha256_of(other)


def _place(source: Path, target: Path) -> None:
    """Link, or else copy; the file appears under its name only when it is whole."""
    try:
        target.hardlink_to(source)
    except OSError:
        handle, temporary = tempfile.mkstemp(prefix=_UNFINISHED, suffix=".gguf", dir=target.parent)
        os.close(handle)
        try:
            shutil.copyfile(source, temporary)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
