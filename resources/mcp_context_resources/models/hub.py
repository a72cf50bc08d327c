"""Hub: models fetched from Hugging Face, and nothing else of the network, only when a user says so."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from mcp_context_resources.errors import (
    AccessDeniedError,
    BusyError,
    ContextError,
    InvalidInputError,
    ModelUnavailableError,
    NotFoundError,
    StorageError,
)
from mcp_context_resources.models.card_reading import read_card
from mcp_context_resources.models.file_digests import sha256_of
from mcp_context_resources.models.hub_files import HubFile, parse_wish, wanted_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx2
    from huggingface_hub.hf_api import ModelInfo

    from mcp_context_resources.models.hub_files import Wish

_TIMEOUT_SECONDS: Final = 30.0
_WAITS: Final = (0.0, 0.5, 1.0, 2.0)
"""Seconds before each new try; a try that brought something starts the row anew."""
_BUSY: Final = frozenset({408, 429, 500, 502, 503, 504})
_SPARE_BYTES: Final = 64 << 20
_ELSEWHERE: Final = "Fetch the GGUF file in another way, then: fresh-context models add FILE"


OnProgress = Callable[[str, int, int], None]
"""Called as bytes arrive: file name, bytes done (those that were there already included), bytes in all."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What was fetched: the model's own file first, then further parts and the projector."""

    files: tuple[Path, ...]
    revision: str
    already_there: bool


def pull(spec: str, folder: Path, on_progress: OnProgress | None = None) -> Pulled:
    """Fetch the model that `hf:OWNER/REPO[:QUANTIZATION or FILE][@REVISION]` means into `folder`/OWNER/REPO.

    What a broken connection left is continued by the next call. A file gets its name only when it is whole and its
    SHA-256 is what the hub tells. A token is sent only when HF_TOKEN is set.

    Raises `InvalidInputError`, `NotFoundError`, `AccessDeniedError`, `ModelUnavailableError` (also when the hub can't
    be reached), `StorageError` and `BusyError`.
    """
    wish = parse_wish(spec)
    hub = _Hub()
    revision, files = hub.files(wish)
    wanted = wanted_files(wish, files)
    target = folder / wish.owner / wish.repository
    try:
        target.mkdir(parents=True, exist_ok=True)
        _check_room(target, wanted)
        fetched = [hub.fetch(wish, revision, file, target, on_progress) for file in wanted]
    except OSError as error:
        raise StorageError(
            f"The folder of the models can't be written: {error.strerror or 'unknown reason'}.",
            "Free disk space, or choose another folder with models.folder.",
        ) from error
    return Pulled(tuple(target / file.name for file in wanted), revision, not any(fetched))


class _Hub:
    """The hub, through its own library, which knows its addresses and proxies."""

    def __init__(self) -> None:
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library is imported
        try:
            import huggingface_hub
        except ImportError as error:
            raise ModelUnavailableError(
                "Pulling models needs the package huggingface-hub, which isn't installed.",
                "Install it with: pip install 'fresh-context[model]'",
            ) from error
        self._library = huggingface_hub
        self._token: str | bool = os.environ.get("HF_TOKEN") or False
        self._api = huggingface_hub.HfApi(
            endpoint=os.environ.get("HF_ENDPOINT"), token=self._token, library_name="fresh-context"
        )
        self._host = self._api.endpoint.partition("//")[2].partition("/")[0]

    def files(self, wish: Wish) -> tuple[str, list[HubFile]]:
        """Return the commit that the wish means, and the files of the repository that have a checksum."""
        with self._told(wish):
            found = self._info(wish)
        siblings = found.siblings or []
        files = [
            HubFile(file.rfilename, int(file.lfs["size"]), str(file.lfs["sha256"])) for file in siblings if file.lfs
        ]
        return found.sha or wish.revision or "main", files

    def _info(self, wish: Wish) -> ModelInfo:
        try:
            return self._api.model_info(
                wish.repo_id, revision=wish.revision, files_metadata=True, timeout=_TIMEOUT_SECONDS
            )
        except (json.JSONDecodeError, TypeError, KeyError) as error:
            raise ModelUnavailableError(
                f"{self._host} doesn't answer as a model hub does.",
                f"Check HF_ENDPOINT and the proxy: a page to log in may be in between. {_ELSEWHERE}",
            ) from error

    def fetch(self, wish: Wish, revision: str, file: HubFile, folder: Path, on_progress: OnProgress | None) -> bool:
        """Fetch one file; returns whether anything had to be fetched."""
        import filelock

        target = folder / file.name
        if target.is_file() and target.stat().st_size == file.size and sha256_of(target) == file.sha256:
            return False
        partial = folder / f".{file.name}.{file.sha256[:12]}.part"
        lock = filelock.FileLock(f"{partial}.lock", timeout=0)
        try:
            with lock:
                self._download(wish, revision, file, partial, on_progress)
                _check(file, partial)
                partial.replace(target)
        except filelock.Timeout as error:
            raise BusyError(f"{file.name} is being pulled already.", "Wait for the other pull to end.") from error
        with contextlib.suppress(OSError):
            partial.with_name(f"{partial.name}.lock").unlink()
        return True

    def _download(
        self, wish: Wish, revision: str, file: HubFile, partial: Path, on_progress: OnProgress | None
    ) -> None:
        """Append to what is there until the file is whole."""
        url = self._library.hf_hub_url(wish.repo_id, file.path, revision=revision, endpoint=self._api.endpoint)
        failures = 0
        while (done := partial.stat().st_size if partial.exists() else 0) < file.size:
            time.sleep(_WAITS[failures])
            try:
                self._stream(wish, url, file, partial, on_progress)
            except _Interrupted as error:
                came = partial.stat().st_size if partial.exists() else 0
                failures = 1 if came > done else failures + 1
                if failures == len(_WAITS):
                    raise ModelUnavailableError(
                        f"The connection to the hub broke after {came:,} of {file.size:,} bytes of {file.name}:"
                        f" {error}.",
                        "Pull again: it goes on where it stopped.",
                    ) from error

    def _stream(self, wish: Wish, url: str, file: HubFile, partial: Path, on_progress: OnProgress | None) -> None:
        import httpx2
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

        done = partial.stat().st_size if partial.exists() else 0
        headers = build_hf_headers(token=self._token, library_name="fresh-context")
        headers["Accept-Encoding"] = "identity"
        if done:
            headers["Range"] = f"bytes={done}-"
        session = self._library.get_session()
        with self._told(wish):
            try:
                with session.stream("GET", url, headers=headers, timeout=_TIMEOUT_SECONDS) as response:
                    if response.status_code in _BUSY:
                        raise _Interrupted(f"the hub answered {response.status_code}")
                    hf_raise_for_status(response)
                    if response.status_code != 206:
                        done = 0  # the server sends all of it again
                    self._save(response, file, partial, done, on_progress)
            except httpx2.TransportError as error:
                raise _Interrupted(_reason(error)) from error

    def _save(
        self, response: httpx2.Response, file: HubFile, partial: Path, done: int, on_progress: OnProgress | None
    ) -> None:
        with partial.open("ab" if done else "wb") as output:
            for chunk in response.iter_bytes():  # as it comes: chunks of a set size are lost when the connection breaks
                done += len(chunk)
                if done > file.size:
                    raise _Interrupted("the hub sent more than the file has")
                output.write(chunk)
                if on_progress is not None:
                    on_progress(file.name, done, file.size)
        if done < file.size:
            raise _Interrupted("it ended early")

    @contextlib.contextmanager
    def _told(self, wish: Wish) -> Iterator[None]:
        """Make the hub's errors ours."""
        import httpx2
        from huggingface_hub import errors

        try:
            yield
        except errors.GatedRepoError as error:
            raise AccessDeniedError(
                f"{wish.repo_id} is open only to those who accepted its terms.",
                "Accept them on the hub's page of the model, set HF_TOKEN to a token of yours, and pull again.",
            ) from error
        except errors.RepositoryNotFoundError as error:
            raise _not_public(wish) from error
        except errors.RevisionNotFoundError as error:
            raise NotFoundError(
                f"{wish.repo_id} has no revision {wish.revision!r}.", "Leave it out for the latest."
            ) from error
        except errors.EntryNotFoundError as error:
            raise NotFoundError(f"{wish.repo_id} lost the file meanwhile.", "Pull again.") from error
        except errors.HFValidationError as error:
            raise InvalidInputError(f"{wish.repo_id!r} is no name of a repository.", "Write OWNER/REPO.") from error
        except errors.HfHubHTTPError as error:
            if error.response.status_code in {401, 403}:
                raise _not_public(wish) from error
            raise ModelUnavailableError(
                f"The hub answered {error.response.status_code} for {wish.repo_id}.", f"Try later. {_ELSEWHERE}"
            ) from error
        except (errors.OfflineModeIsEnabled, httpx2.HTTPError) as error:
            self._unreachable(error)

    def _unreachable(self, error: Exception) -> NoReturn:
        host = self._api.endpoint.partition("//")[2].partition("/")[0]
        raise ModelUnavailableError(
            f"The model hub at {host} can't be reached: {_reason(error)}.", _ELSEWHERE
        ) from error


class _Interrupted(Exception):  # noqa: N818 - a try that may be made again
    """The connection broke, or the hub was busy."""


def _not_public(wish: Wish) -> NotFoundError:
    return NotFoundError(
        f"The hub has no public repository {wish.repo_id}.",
        "Check the spelling; for a private one set HF_TOKEN to a token that may read it.",
    )


def _check(file: HubFile, partial: Path) -> None:
    """Raise `ModelUnavailableError`, and remove what came, unless it is what the hub tells."""
    problem: ContextError | None = None
    if sha256_of(partial) != file.sha256:
        problem = ModelUnavailableError(
            f"{file.name} arrived damaged: its SHA-256 is not the one the hub tells. It was removed.", "Pull again."
        )
    else:
        try:
            read_card(partial, file.name)
        except ContextError as error:
            problem = error
    if problem is not None:
        partial.unlink(missing_ok=True)
        raise problem


def _check_room(folder: Path, files: list[HubFile]) -> None:
    there = sum(path.stat().st_size for file in files for path in folder.glob(f".{file.name}.*.part"))
    needed = sum(file.size for file in files if not (folder / file.name).is_file()) - there
    free = shutil.disk_usage(folder).free
    if needed + _SPARE_BYTES > free:
        raise StorageError(
            f"The model takes {needed / 1e9:.1f} GB more, but the disk has {free / 1e9:.1f} GB left.",
            "Free disk space, choose another folder with models.folder, or a smaller quantization.",
        )


def _reason(error: Any) -> str:
    text = " ".join(str(error).split())
    return text[:120].rstrip(".") or type(error).__name__
