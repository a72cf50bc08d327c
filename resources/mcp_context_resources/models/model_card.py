"""Model card: what a model is and can do, as the header of its file tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
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
MANY: Final = "multilingual"
"""Stands among languages for: made for so many that they aren't listed."""


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
            ("languages", ", ".join(self.languages) if self.languages else "not told"),
            ("licence", self.license or "not told"),
            ("chat template", "yes" if self.has_chat_template else "no" if "chat" in self.roles else ""),
            ("files", f"{self.parts}" if self.parts > 1 else ""),
        ]
        return [(label, text) for label, text in lines if text]


@dataclass(frozen=True, slots=True)
class UnreadableModel:
    """Why a file is no model that can be read, and what to do about it."""

    message: str
    hint: str


def short_count(count: int) -> str:
    """Write a number of parameters as models' names do: 135M, 7.2B."""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= size:
            number = count / size
            return f"{number:.1f}".removesuffix(".0") + letter if number < 10 else f"{number:.0f}{letter}"
    return str(count) if count else ""
