"""Settings of the local models."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class ModelSettings(BaseModel):
    """Which models there are and how they run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[Path, ...] = Field(default=(), description="GGUF files to offer, besides those in the roots.")
    default: str | None = Field(default=None, description="Name of the model used when a call names none.")
    starter: bool = Field(default=True, description="Offer the small model of the 'starter' extra when installed.")
    context_tokens: int = Field(
        default=8192, ge=256, le=1 << 20, description="Context window; never more than the model was trained for."
    )
    max_tokens: int = Field(default=2048, ge=1, le=1 << 17, description="Most tokens one call may generate.")
    default_tokens: int = Field(default=512, ge=1, description="Tokens generated when max_tokens isn't given.")
    deadline_seconds: float = Field(default=300.0, gt=0, le=86_400, description="Longest one call may take.")
    gpu_layers: int = Field(
        default=-1, ge=-1, description="Layers put on a GPU when the llama.cpp build has one; -1: all, 0: none."
    )
    threads: int = Field(default=0, ge=0, le=1024, description="Processor threads; 0: the cores there are.")
    worker_memory_mb: int = Field(
        default=0, ge=0, description="Memory at which the model's process is stopped; 0: nine tenths of the machine's."
    )
