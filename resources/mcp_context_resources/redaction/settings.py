"""Settings of redaction."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from mcp_context_resources.redaction.finding import KINDS, Kind


class RedactionSettings(BaseModel):
    """What is taken out of answers before they leave the server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(
        default=False,
        description="Replace secrets and personal data in all that leaves the server by placeholders such as <EMAIL_1>;"
        " names of people are not recognised. Needs the 'redact' extra.",
    )
    kinds: tuple[Kind, ...] = Field(default=KINDS, description=f"What is replaced: {', '.join(KINDS)}.")
    allow: tuple[str, ...] = Field(
        default=(), description="Values that may be shown, as globs without case, e.g. *@example.com."
    )
    phone_regions: tuple[str, ...] = Field(
        default=("JP", "US", "GB"),
        description="Countries (ISO 3166) whose phone numbers are known without a country code.",
    )
    max_values: int = Field(
        default=100_000,
        ge=0,
        le=10_000_000,
        description="Most values kept to be turned back; later ones become e.g. <EMAIL>, which can't be.",
    )
