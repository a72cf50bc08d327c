"""What a model is and can do, as the header of its file tells. Every value is a stranger's and checked."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from mcp_context_resources.errors import ModelUnavailableError
from mcp_context_resources.models.formats import split_part
from mcp_context_resources.models.gguf_header import ArrayInfo, read_header

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mcp_context_resources.models.gguf_header import GgufHeader, Value
    from mcp_context_resources.models.spec import Role

Kind = Literal["model", "adapter", "projector", "other"]
"""A model, a LoRA adapter, the projector of a vision model, or a file that only helps to make models."""

QUANTIZATIONS: Final = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4", 39: "NVFP4", 40: "Q1_0",
}  # fmt: skip
"""`enum llama_ftype` of llama.h → the name in use."""

_WHAT: Final[dict[Role, str]] = {
    "chat": "chat model",
    "embed": "embedding model",
    "rerank": "reranking model",
    "vision": "vision model",
}
_POOLINGS: Final = {0: "none", 1: "mean", 2: "cls", 3: "last", 4: "rank"}
_EMBEDDERS: Final = frozenset(
    "bert eurobert gemma-embedding jina-bert-v2 jina-bert-v3 llama-embed modern-bert neo-bert nomic-bert"
    " nomic-bert-moe t5encoder".split()
)
_NO_ROLE: Final = frozenset("dream llada llada-moe rnd1 t5 wavtokenizer-dec".split())
"""Architectures that neither write on from a prompt nor embed: diffusion, translation and sound."""

MANY: Final = "multilingual"
"""Stands among languages for: made for so many that they aren't listed."""

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


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model file says of itself. A number that it doesn't tell is 0, a text "".

    `kv_heads` has one number for each layer, 0 for layers that keep no keys and values. `languages` are ISO 639 codes,
    or `MANY`; none means that it isn't known. `causal` models write; the others keep no cache. `note` tells what an
    "other" file is. `parts` is the number of files of a model in several, `parameters` then that of all.

    Not from the file itself: `package` is the installed package a model comes in, `projector` the path of the file
    through which it sees. Of a projector itself, `projection` is the embedding length of the models it fits.
    """

    name: str
    architecture: str = ""
    kind: Kind = "model"
    quantization: str = "unknown"
    parameters: int = 0
    context_length: int = 0
    embedding_length: int = 0
    feed_forward_length: int = 0
    vocabulary: int = 0
    layers: int = 0
    heads: int = 0
    kv_heads: tuple[int, ...] = ()
    key_length: int = 0
    value_length: int = 0
    causal: bool = True
    pooling: str = ""
    languages: tuple[str, ...] = ()
    license: str = ""
    roles: tuple[Role, ...] = ()
    has_chat_template: bool = False
    parts: int = 1
    note: str = ""
    package: str = ""
    projector: str = ""
    projection: int = 0

    def reads(self, language: str) -> bool | None:
        """Tell whether the model knows a language (ISO 639 code); None when that isn't known."""
        return bool({language, MANY} & set(self.languages)) if self.languages else None

    def describe(self) -> list[tuple[str, str]]:
        """List what is known as label and text, for people."""
        lines = [
            ("what", self.note or (" and ".join(_WHAT[role] for role in self.roles) or "model for nothing here")),
            ("title", self.name),
            ("architecture", self.architecture),
            ("parameters", short_count(self.parameters)),
            ("quantization", self.quantization),
            ("context", f"{self.context_length:,} tokens" if self.context_length else ""),
            ("layers", f"{self.layers:,}" if self.layers else ""),
            ("embedding", f"{self.embedding_length:,} numbers" if self.embedding_length else ""),
            ("pooling", self.pooling),
            ("languages", _listed(self.languages) if self.languages else "not told"),
            ("licence", self.license or "not told"),
            ("chat template", "yes" if self.has_chat_template else "no" if "chat" in self.roles else ""),
            ("files", f"{self.parts}" if self.parts > 1 else ""),
        ]
        return [(label, text) for label, text in lines if text]


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


def short_count(count: int) -> str:
    """Write a number of parameters as models' names do: 135M, 7.2B."""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= size:
            number = count / size
            return f"{number:.1f}".removesuffix(".0") + letter if number < 10 else f"{number:.0f}{letter}"
    return str(count) if count else ""


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
