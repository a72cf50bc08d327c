"""Settings of the local models."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from mcp_context_resources.models.spec import CacheType


class ModelSettings(BaseModel):
    """Which models there are and how they run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[Path, ...] = Field(default=(), description="GGUF files to offer, besides those in the roots.")
    folder: Path | None = Field(
        default=None, description="Folder for models that were pulled or added; the user's data folder by default."
    )
    starter: bool = Field(default=True, description="Offer the small models of the 'starter' extra when installed.")
    chat: str | None = Field(default=None, description="Name of the model that writes, when a call names none.")
    embed: str | None = Field(default=None, description="Name of the model that embeds texts.")
    rerank: str | None = Field(default=None, description="Name of the model that ranks passages for a question.")
    vision: str | None = Field(default=None, description="Name of the model that looks at pictures.")
    loras: tuple[str, ...] = Field(
        default=(), description="LoRA adapters (GGUF) put on the model that writes; FILE or FILE=SCALE."
    )
    context_tokens: int = Field(
        default=8192, ge=256, le=1 << 20, description="Context window; never more than the model was trained for."
    )
    cache_type: CacheType = Field(
        default="f16",
        description="How the context is kept in memory: f16, or q8_0 or q4_0 for half or a quarter of it.",
    )
    parallel: int = Field(default=8, ge=1, le=64, description="Most rows of a table worked on at once.")
    max_tokens: int = Field(default=2048, ge=1, le=1 << 17, description="Most tokens one call may generate.")
    default_tokens: int = Field(default=512, ge=1, description="Tokens generated when max_tokens isn't given.")
    deadline_seconds: float = Field(default=300.0, gt=0, le=86_400, description="Longest one call may take.")
    gpu_layers: int = Field(
        default=-1,
        ge=-1,
        description="Layers put on a GPU when the llama.cpp build has one; -1: as many as fit, 0: none.",
    )
    threads: int = Field(
        default=0, ge=0, le=1024, description="Processor threads; 0: as many as the machine has cores to spare."
    )
    idle_seconds: float = Field(
        default=600.0, gt=0, description="After so long without work a model is taken out of memory."
    )
    worker_memory_mb: int = Field(
        default=0, ge=0, description="Memory at which the model's process is stopped; 0: nine tenths of the machine's."
    )
    remote: tuple[str, ...] = Field(
        default=(),
        description="OpenAI-compatible servers to use too, e.g. http://127.0.0.1:8080/v1; on this machine only, unless"
        " models.remote_hosts allows others.",
    )
    remote_hosts: tuple[str, ...] = Field(
        default=(), description="Hosts beyond this machine that models.remote may name: text of your files goes there!"
    )
    remote_keys: tuple[SecretStr, ...] = Field(default=(), description="Keys of such servers, each as KEY@URL.")
