"""Settings: how documents and tables are made searchable."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mcp_context_resources.index.spec import Metric


class IndexSettings(BaseModel):
    """How documents and tables are made searchable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    build: Literal["auto", "start", "search", "never"] = Field(
        default="auto",
        description="When the index is brought up to date in the background: at the start of the server (start), from"
        " the first search on (search), at the start where this folder was searched before, else from the first search"
        " on (auto), or only as far as each search needs (never).",
    )
    vectors: Literal["auto", "off"] = Field(
        default="auto", description="Search by meaning, too, where there is a model that embeds; off: by words alone."
    )
    metric: Metric = Field(
        default="cosine",
        description="How vectors are compared: cosine suits nearly every model; inner_product and l2 (distance) are for"
        " models trained for them, whose vectors are kept at their own length.",
    )
    rerank: Literal["auto", "off"] = Field(
        default="auto", description="Let a reranking model sort the best hits, where there is one."
    )
    chunk_chars: int = Field(
        default=1200, ge=200, le=8000, description="Characters of a passage; half as many of Japanese text."
    )
    max_source_chars: int = Field(
        default=50_000_000, ge=10_000, description="Of a longer document only so many characters are searchable."
    )
    max_rows: int = Field(default=100_000, ge=0, description="Rows of one table that are searchable one by one.")
    wait_seconds: float = Field(
        default=20.0, gt=0, description="How long a search waits for files that are new or have changed."
    )
    deadline_seconds: float = Field(default=30.0, gt=0, description="Longest time a search may take after that.")
    exact_vectors: int = Field(
        default=200_000, ge=1000, description="Up to so many passages every vector is compared; beyond, nearly all."
    )
    worker_memory_mb: int = Field(
        default=2048,
        ge=256,
        description="Memory of each of the index's two processes; on Linux mapped files don't count.",
    )
