"""OCR models: where the recogniser and its trained models are installed, found without loading either."""

from __future__ import annotations

import importlib.metadata
import re
import site
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import InvalidInputError, OcrUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

INSTALL_HINT: Final = "Install it with: pip install 'fresh-context[ocr]'"
VERTICAL: Final = "jpn_vert"
ORIENTATION: Final = "osd"

_LIBRARY: Final = "tesserocr"
_SUFFIX: Final = ".traineddata"
_LANGUAGE: Final = re.compile(r"[A-Za-z]{3,12}(_[A-Za-z]{2,12}){0,2}")
_MOST_LANGUAGES: Final = 6
_SYSTEM_FOLDERS: Final = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tesseract/tessdata",
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)


def system_folders() -> tuple[str, ...]:
    """Name the operating system's folders of models that exist: what a confined worker must be allowed to read."""
    return tuple(folder for folder in _SYSTEM_FOLDERS if Path(folder).is_dir())


def engine_version() -> str | None:
    """Name the recogniser and the size of every model that can be read: what is recognised depends on both.

    None where the library isn't installed. Loads nothing.
    """
    try:
        version = importlib.metadata.version(_LIBRARY)
    except importlib.metadata.PackageNotFoundError:
        return None
    sizes: dict[str, int] = {}
    for folder in _folders():
        for path in sorted(folder.glob(f"*{_SUFFIX}")):
            if _readable(path):
                sizes.setdefault(path.stem, path.stat().st_size)
    return f"{_LIBRARY} {version}; " + ", ".join(f"{name} {size}" for name, size in sorted(sizes.items()))


def folder_of(languages: Sequence[str]) -> str:
    """Find a folder that has the models of all `languages`, by Tesseract's names (`jpn`, `eng`).

    Raises `InvalidInputError` for what can't be a language, `OcrUnavailableError` where a model is missing.
    """
    if not 0 < len(languages) <= _MOST_LANGUAGES:
        raise InvalidInputError(f"Text is recognised in 1 to {_MOST_LANGUAGES} languages.", "Name fewer, or one.")
    for language in languages:
        if not _LANGUAGE.fullmatch(language):
            raise InvalidInputError(
                f"{language[:40]!r} is no name of a language.", "Use Tesseract's names, such as jpn or eng."
            )
    folders = _folders()
    for folder in folders:
        if all(_has(folder, language) for language in languages):
            return str(folder)
    missing = [language for language in languages if not any(_has(folder, language) for folder in folders)]
    if missing:
        raise OcrUnavailableError(f"No model for recognising {', '.join(missing)} is installed.", INSTALL_HINT)
    raise OcrUnavailableError(
        f"The models for recognising {', '.join(languages)} are installed in different folders.",
        "Put them into one folder, or name fewer languages.",
    )


def find_folder(language: str) -> str | None:
    """Find a folder that has the model of one language or task, if any."""
    return next((str(folder) for folder in _folders() if _has(folder, language)), None)


def present(folder: str, languages: Sequence[str]) -> list[str]:
    """Return those of `languages` whose model is in `folder`."""
    return [language for language in languages if _has(Path(folder), language)]


def _folders() -> list[Path]:
    """Name the folders where pip puts the models (of this environment, of this user), then the system's."""
    prefixes = dict.fromkeys([sys.prefix, sys.base_prefix, site.getuserbase()])
    return [*(Path(prefix, "share", "tessdata") for prefix in prefixes), *map(Path, _SYSTEM_FOLDERS)]


def _has(folder: Path, language: str) -> bool:
    return _readable(folder / (language + _SUFFIX))


def _readable(path: Path) -> bool:
    """Try to open the file: a confined process sees files that it may not read."""
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False
