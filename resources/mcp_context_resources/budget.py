"""Budget: limits on what one answer may hold."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class BudgetSettings(BaseModel):
    """How much one answer may hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_chars: int = Field(
        default=30_000,
        ge=2_000,
        le=1_000_000,
        description="Most characters of one tool result, text and structured content together.",
    )
    max_cell_chars: int = Field(
        default=2_000, ge=20, le=100_000, description="Most characters of one table cell; longer ones are cut."
    )
