"""Settings of the chart renderer."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ChartSettings(BaseModel):
    """Limits of the chart renderer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_rows: int = Field(default=5_000, ge=10, le=50_000, description="Most rows one chart shows.")
    max_image_kb: int = Field(
        default=700, ge=50, le=20_000, description="Largest PNG in kB; larger pictures are drawn at a lower resolution."
    )
    deadline_seconds: float = Field(default=20.0, gt=0, le=600, description="Longest the drawing of a chart may take.")
    worker_memory_mb: int = Field(default=1024, ge=768, description="Memory at which the renderer is stopped.")
