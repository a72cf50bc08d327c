"""Which files of a repository on the model hub are meant by `hf:OWNER/REPO[:WHICH][@REVISION]`. Touches no network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import InvalidInputError, ModelUnavailableError, NotFoundError
from mcp_context_resources.models.formats import is_projector_name, split_part

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SPEC: Final = re.compile(
    r"hf:(?P<owner>[A-Za-z0-9][\w.-]{0,95})/(?P<repository>[A-Za-z0-9][\w.-]{0,95})"
    r"(?::(?P<which>[^@:]{1,255}))?(?:@(?P<revision>[\w./-]{1,200}))?",
    re.ASCII,
)
_QUANTIZATION: Final = re.compile(
    r"(?<![A-Za-z0-9])((?:UD-)?(?:I?Q\d(?:_\w+)?|TQ\d_0|MXFP4(?:_MOE)?|NVFP4|BF16|F16|F32|FP16|FP32))(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_DEFAULT: Final = "Q4_K_M"
_PROJECTORS: Final = ("F16", "FP16", "BF16", "Q8_0")
"""The quantizations of a projector in the order of preference: it is small and everything is seen through it."""
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Wish:
    """A repository, and what is wanted of it: a file name or a quantization (`which`), at a revision."""

    owner: str
    repository: str
    which: str | None
    revision: str | None

    @property
    def repo_id(self) -> str:
        """The repository's name on the hub."""
        return f"{self.owner}/{self.repository}"


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository: its path there, size in bytes and SHA-256."""

    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name without folders."""
        return PurePosixPath(self.path).name


def parse_wish(spec: str) -> Wish:
    """Read `hf:OWNER/REPO[:QUANTIZATION or FILE][@REVISION]`.

    Raises `InvalidInputError`.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise InvalidInputError(
            f"{spec[:200]!r} names no model to pull.",
            "Write hf:OWNER/REPO, hf:OWNER/REPO:Q4_K_M or hf:OWNER/REPO:FILE.gguf, or just: starter",
        )
    return Wish(match["owner"], match["repository"], match["which"], match["revision"])


def wanted_files(wish: Wish, files: Iterable[HubFile]) -> list[HubFile]:
    """Return the files to fetch: the model, all of its parts, and the projector of a vision model.

    Raises `ModelUnavailableError` when the repository has no GGUF, `NotFoundError` when none is what was asked for,
    `InvalidInputError` when several are.
    """
    safe = [file for file in files if _is_safe(file.path) and file.name.lower().endswith(".gguf")]
    models = _joined([file for file in safe if not is_projector_name(file.name) and "imatrix" not in file.name.lower()])
    if not models:
        raise ModelUnavailableError(
            f"The repository {wish.repo_id} has no GGUF files.",
            "Look for one with GGUF in its name: it is often another repository than the original model's.",
        )
    chosen = _chosen(wish, models)
    projectors = [file for file in safe if is_projector_name(file.name)]
    return [*chosen, *_projector(projectors)]


def _chosen(wish: Wish, models: Sequence[list[HubFile]]) -> list[HubFile]:
    if wish.which is not None:
        fitting = _named(wish.which, models) or _quantized(wish.which, models)
        if not fitting:
            raise NotFoundError(f"{wish.repo_id} has no {wish.which}.", f"There is {_listing(models)}.")
    else:
        fitting = list(models) if len(models) == 1 else _quantized(_DEFAULT, models)
    if len(fitting) == 1:
        return fitting[0]
    fitting = fitting or list(models)
    told = f"{len(fitting)} models" + (f" that are {wish.which}" if wish.which is not None else "")
    example = min(fitting, key=_size)[0].name
    raise InvalidInputError(
        f"{wish.repo_id} has {told}.",
        f"Name one after a colon, as in hf:{wish.repo_id}:{example}; there is {_listing(fitting)}.",
    )


def _named(which: str, models: Sequence[list[HubFile]]) -> list[list[HubFile]]:
    wanted = which.lower().removesuffix(".gguf")

    def names(file: HubFile) -> set[str]:
        part = split_part(file.name)
        stems = {file.path, file.name, *((part.stem,) if part is not None else ())}
        return {stem.lower().removesuffix(".gguf") for stem in stems}

    return [group for group in models if any(wanted in names(file) for file in group)]


def _quantized(which: str, models: Sequence[list[HubFile]]) -> list[list[HubFile]]:
    wanted = which.upper()
    exact = [group for group in models if quantization_of(group[0].path) == wanted]
    return exact or [group for group in models if quantization_of(group[0].path).removeprefix("UD-") == wanted]


def quantization_of(path: str) -> str:
    """Return the quantization that a file's name, or its folder, tells of; "" when it tells of none."""
    for text in reversed(PurePosixPath(path).parts):
        if found := _QUANTIZATION.findall(text.removesuffix(".gguf")):
            return str(found[-1]).upper()
    return ""


def _projector(projectors: Sequence[HubFile]) -> list[HubFile]:
    def rank(file: HubFile) -> tuple[int, int]:
        kind = quantization_of(file.path)
        return _PROJECTORS.index(kind) if kind in _PROJECTORS else len(_PROJECTORS), file.size

    return [min(projectors, key=rank)] if projectors else []


def _joined(files: Sequence[HubFile]) -> list[list[HubFile]]:
    """Group the parts of each model; incomplete ones are left out."""
    groups: dict[tuple[str, ...], list[HubFile]] = {}
    counts: dict[tuple[str, ...], int] = {}
    for file in sorted(files, key=lambda file: file.path):
        part = split_part(file.name)
        folder = str(PurePosixPath(file.path).parent)
        key = (folder, part.stem, str(part.count)) if part is not None else (file.path,)
        groups.setdefault(key, []).append(file)
        counts[key] = part.count if part is not None else 1
    return [group for key, group in groups.items() if len(group) == counts[key]]


def _listing(models: Sequence[list[HubFile]]) -> str:
    kinds = [quantization_of(group[0].path) for group in models]
    told = [
        f"{kind if kind and kinds.count(kind) == 1 else group[0].name} ({_size(group) / 1e9:.1f} GB)"
        for group, kind in sorted(zip(models, kinds, strict=True), key=lambda pair: _size(pair[0]))[:_SHOWN]
    ]
    return ", ".join(told) + (f" and {len(models) - _SHOWN} more" if len(models) > _SHOWN else "")


def _size(group: Sequence[HubFile]) -> int:
    return sum(file.size for file in group)


def _is_safe(path: str) -> bool:
    """Tell whether a server's path is a plain one below the repository."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not any(
        part in {"/", ".."} or part.startswith(".") or "\\" in part or ":" in part or not part.isprintable()
        for part in parts
    )
