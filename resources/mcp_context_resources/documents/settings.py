"""Settings of the document readers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DocumentSettings(BaseModel):
    """Limits of the document readers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deadline_seconds: float = Field(default=30.0, gt=0, le=3600, description="Longest one reading may take.")
    workers: int = Field(default=1, ge=1, le=64, description="Documents that can be read at once, each in a process.")
    worker_memory_mb: int = Field(default=2048, ge=256, description="Memory at which a worker process is stopped.")
