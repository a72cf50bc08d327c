"""Settings of watching."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class WatchSettings(BaseModel):
    """How changes of files are noticed, of which clients that ask for it are told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["auto", "events", "polling", "off"] = Field(
        default="auto",
        description="How changes of files are noticed while a client listens: by events of the system, by looking again"
        " and again (polling), by events where they can be relied on (auto), or not at all (off).",
    )
    debounce_ms: int = Field(
        default=100, ge=10, le=10_000, description="How long files must be quiet before a change is told."
    )
    poll_seconds: float = Field(
        default=5.0, ge=0.1, le=3600.0, description="Time between looks where files are polled."
    )
