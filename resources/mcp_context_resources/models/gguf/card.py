"""Model cards made of GGUF headers. Every value in a header is a stranger's and checked."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import ContextError, ModelUnavailableError
from mcp_context_resources.models.formats import split_part
from mcp_context_resources.models.gguf.header import ArrayInfo, read_header
from mcp_context_resources.models.model_card import MANY, QUANTIZATIONS, ModelCard, UnreadableModel
from mcp_context_resources.workers.job import deadline_exceeded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcp_context_resources.models.gguf.header import GgufHeader, Value
    from mcp_context_resources.models.model_card import Kind
    from mcp_context_resources.models.spec import Role
    from mcp_context_resources.workers.job import Job

_POOLINGS: Final = {0: "none", 1: "mean", 2: "cls", 3: "last", 4: "rank"}
_EMBEDDERS: Final = frozenset(
    "bert eurobert gemma-embedding jina-bert-v2 jina-bert-v3 llama-embed modern-bert neo-bert nomic-bert"
    " nomic-bert-moe t5encoder".split()
)
_NO_ROLE: Final = frozenset("dream llada llada-moe rnd1 t5 wavtokenizer-dec".split())
"""Architectures that neither write on from a prompt nor embed: diffusion, translation and sound."""

_FAMILIES: Final = (
    (re.compile(r"multilingual|bge-m3|\bqwen"), (MANY,)),
    (re.compile(r"sarashina|swallow|elyza|llm-jp|calm[23]|plamo|rinna|japanese|rakutenai|stockmark"), ("ja", "en")),
    (re.compile(r"\bruri\b|[-_ ]ja\b"), ("ja",)),
    (
        re.compile(
            r"smollm|tinyllama|all-minilm|\be5-(small|base|large)|bge-(small|base|large)-en|nomic-embed-text-v1"
            r"|mxbai-embed|\bphi-?[12]\b|stories\d+"
        ),
        ("en",),
    ),
)  # fmt: skip
"""What the languages of well-known families are, where the file is silent; the first that matches counts."""

_LANGUAGE: Final = re.compile(r"[a-z]{2,3}$")
_MAX_LAYERS: Final = 4096
_MAX_NUMBER: Final = 1 << 40
_MAX_SHOWN: Final = 100


def read_cards(job: Job, files: Sequence[tuple[str, str]]) -> list[ModelCard | UnreadableModel]:
    """Read what the model files of these paths are, each with the name by which it is called; see `card_of`.

    Raises `DeadlineExceededError`.
    """
    found: list[ModelCard | UnreadableModel] = []
    for path, name in files:
        if job.should_stop:
            raise deadline_exceeded(job.deadline_seconds)
        try:
            found.append(card_of(Path(path), name))
        except ContextError as error:
            found.append(UnreadableModel(error.message, error.hint))
    return found


def card_of(path: Path, name: str | None = None) -> ModelCard:
    """Read what the model file at `path` is; of a model in several files, the first.

    Raises `ModelUnavailableError` for a file that isn't a whole GGUF, and for a model with parts missing.
    """
    header = read_header(path, name)
    parameters, parts = header.parameters, 1
    part = split_part(path.name)
    if part is not None and part.count > 1:
        others = [path.with_name(part.sibling(number)) for number in range(1, part.count + 1) if number != part.number]
        missing = [other.name for other in others if not other.is_file()]
        if missing:
            raise ModelUnavailableError(
                f"The model {name or path.name!r} has {part.count} files, but {_listed(missing[:3])}"
                f"{', …' if len(missing) > 3 else ''} {'is' if len(missing) == 1 else 'are'} missing.",
                "Put all files of the model into the same folder.",
            )
        parameters += sum(read_header(other).parameters for other in others)
        parts = part.count
    return _card(header, name or path.name, parameters, parts)


def _card(header: GgufHeader, file_name: str, parameters: int, parts: int) -> ModelCard:
    metadata = header.metadata
    architecture = _text(metadata.get("general.architecture"))
    kind, note = _kind(header, architecture)
    title = _text(metadata.get("general.name")) or file_name.removesuffix(".gguf")

    def number(key: str) -> int:
        return _number(metadata.get(f"{architecture}.{key}"))

    layers = min(number("block_count"), _MAX_LAYERS)
    embedding = number("embedding_length")
    heads = max(_per_layer(metadata.get(f"{architecture}.attention.head_count"), layers), default=0)
    kv_heads = _per_layer(metadata.get(f"{architecture}.attention.head_count_kv"), layers) or (heads,) * layers
    head_size = embedding // heads if heads else 0
    pooling = _POOLINGS.get(_code(metadata.get(f"{architecture}.pooling_type")), "")
    causal = metadata.get(f"{architecture}.attention.causal") is not False and architecture not in _EMBEDDERS
    template = metadata.get("tokenizer.chat_template")
    return ModelCard(
        name=title,
        architecture=architecture,
        kind=kind,
        quantization=QUANTIZATIONS.get(_code(metadata.get("general.file_type")), "unknown"),
        parameters=parameters,
        context_length=number("context_length"),
        embedding_length=embedding,
        feed_forward_length=max(_per_layer(metadata.get(f"{architecture}.feed_forward_length"), 1), default=0),
        vocabulary=_vocabulary(metadata, architecture),
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        key_length=number("attention.key_length") or head_size,
        value_length=number("attention.value_length") or head_size,
        causal=causal,
        pooling=pooling,
        languages=_languages(metadata, f"{title} {_text(metadata.get('general.basename'))} {file_name}"),
        license=_text(metadata.get("general.license")),
        roles=_roles(architecture, pooling) if kind == "model" else (),
        has_chat_template=isinstance(template, str) and bool(template.strip()),
        parts=parts,
        note=note,
        projection=_number(metadata.get("clip.vision.projection_dim")) if kind == "projector" else 0,
    )


def _kind(header: GgufHeader, architecture: str) -> tuple[Kind, str]:
    told = _text(header.metadata.get("general.type"))
    if told == "adapter" or "adapter.type" in header.metadata:
        return "adapter", "LoRA adapter"
    if told == "mmproj" or architecture == "clip":
        return "projector", "projector of a vision model"
    if told == "imatrix" or "imatrix.chunk_count" in header.metadata:
        return "other", "importance matrix, used in making models"
    if not header.tensors:
        return "other", "vocabulary without weights"
    return ("model", "") if architecture else ("other", "GGUF of unknown kind")


def _roles(architecture: str, pooling: str) -> tuple[Role, ...]:
    if architecture in _NO_ROLE:
        return ()
    if pooling == "rank":
        return ("rerank",)
    if architecture in _EMBEDDERS or pooling in {"mean", "cls", "last"}:
        return ("embed",)
    return ("chat",)


def _languages(metadata: Mapping[str, Value], names: str) -> tuple[str, ...]:
    told = metadata.get("general.languages")
    if isinstance(told, tuple):
        codes = [code.lower() for code in told if isinstance(code, str)]
        if MANY in codes:
            return (MANY,)
        if known := tuple(dict.fromkeys(code for code in codes if _LANGUAGE.match(code))):
            return known
    names = names.lower()
    return next((languages for pattern, languages in _FAMILIES if pattern.search(names)), ())


def _vocabulary(metadata: Mapping[str, Value], architecture: str) -> int:
    tokens = metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, ArrayInfo):
        return tokens.count
    return len(tokens) if isinstance(tokens, tuple) else _number(metadata.get(f"{architecture}.vocab_size"))


def _per_layer(value: Value | None, layers: int) -> tuple[int, ...]:
    """Return one number for each layer, of a value that is one for all or a list; () when there is none."""
    if isinstance(value, tuple):
        return tuple(_number(item) for item in value)
    return (_number(value),) * layers if value is not None else ()


def _number(value: object) -> int:
    """Return a sensible count, or 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_NUMBER else 0


def _code(value: object) -> int:
    """Return a number of an enumeration, or -1."""
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    shown = "".join(char if unicodedata.category(char)[0] != "C" else " " for char in value[: _MAX_SHOWN * 2])
    return " ".join(shown.split())[:_MAX_SHOWN]


def _listed(words: tuple[str, ...] | list[str]) -> str:
    return ", ".join(words)
