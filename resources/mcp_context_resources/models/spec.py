"""What crosses the process border between the model service and its worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Finish = Literal["stop", "length", "deadline", "cancelled"]
"""Why generation ended: by itself, at max_tokens, at the deadline, or because the caller gave up."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model file and how to run it. `version` changes whenever the file does."""

    name: str
    path: str
    version: str
    context_tokens: int
    threads: int
    gpu_layers: int


@dataclass(frozen=True, slots=True)
class Generation:
    """What to generate: chat messages, a token limit, and optionally a JSON schema the answer must follow."""

    system: str
    user: str
    max_tokens: int
    json_schema: dict[str, Any] | None
    temperature: float = 0.0
    repeat_penalty: float = 1.0


@dataclass(frozen=True, slots=True)
class Generated:
    """What came out. Seconds are wall time; `load_seconds` is 0 when the model was already in memory."""

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
