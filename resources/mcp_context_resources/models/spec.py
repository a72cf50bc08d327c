"""Specification of what crosses the border between the model service and a runtime: plain, picklable data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["chat", "embed", "rerank", "vision"]
"""What a model is for."""

Finish = Literal["stop", "length", "repeating", "deadline", "cancelled"]
"""Why generation ended: by itself, at max_tokens, because the model went round in circles, at the deadline, or because
the caller gave up."""

CacheType = Literal["f16", "q8_0", "q4_0"]
"""How the keys and values of a context are kept in memory."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model file and how to run it. `version` changes whenever the file does.

    `sequences` is how many texts may be worked on at once within one context of `context_tokens`. `loras` are adapter
    files with their scales, `projector` the file through which a vision model sees.
    """

    name: str
    path: str
    version: str
    context_tokens: int
    threads: int
    gpu_layers: int
    sequences: int = 1
    cache_type: CacheType = "f16"
    loras: tuple[tuple[str, float], ...] = ()
    projector: str = ""


@dataclass(frozen=True, slots=True)
class Generation:
    """What to generate: chat messages, a token limit, and optionally a JSON schema the answer must follow.

    `pictures` (PNG or JPEG) come before the user's words; only a vision model sees them.
    """

    system: str
    user: str
    max_tokens: int
    json_schema: dict[str, Any] | None = None
    temperature: float = 0.0
    repeat_penalty: float = 1.0
    pictures: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Generated:
    """What came out. Seconds are wall time; `load_seconds` is 0 when the model was already in memory.

    `held_tokens` of the prompt were still in the model's memory and not evaluated again. `thinking_tokens` were
    generated between thinking tags and are not part of `text`. Where several texts were generated at once, each tells
    the seconds of all of them together.
    """

    text: str
    finish: Finish
    prompt_tokens: int
    completion_tokens: int
    load_seconds: float
    prompt_seconds: float
    generate_seconds: float
    context_tokens: int
    quantization: str
    device: str
    held_tokens: int = 0
    thinking_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Choosing:
    """Which of `labels` (two or more, distinct) fits each of several prompts best: the label is the whole answer.

    `neutral` are user messages that say nothing, made like those of `users`: what a label scores on them is its
    prior, and is taken off.
    """

    system: str
    users: tuple[str, ...]
    labels: tuple[str, ...]
    neutral: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """For each prompt, in order, the probability of each label, in the order of the labels; each row sums to 1.

    Fewer rows than prompts were worked on when `finish` isn't `stop`.
    """

    probabilities: tuple[tuple[float, ...], ...]
    finish: Finish
    prompt_tokens: int
    seconds: float
    quantization: str
    device: str


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors of `dimensions` numbers as little-endian float32, one text after another.

    `cut` are positions of texts longer than the model reads; only their beginning counted. Fewer vectors than texts
    were made when `finish` isn't `stop`.
    """

    vectors: bytes = field(repr=False)
    dimensions: int
    finish: Finish
    tokens: int
    cut: tuple[int, ...]
    quantization: str
    device: str
