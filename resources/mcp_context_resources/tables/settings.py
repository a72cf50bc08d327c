"""Settings of the table engine."""

from __future__ import annotations

import codecs

from pydantic import BaseModel, ConfigDict, Field, field_validator


class TableSettings(BaseModel):
    """Limits of the SQL engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoding: str | None = Field(
        default=None,
        description="Encoding of CSV files that are neither UTF-8 nor marked, e.g. cp932; found out when not set.",
    )
    deadline_seconds: float = Field(default=30.0, gt=0, le=3600, description="Longest a statement may run.")
    max_deadline_seconds: float = Field(
        default=300.0, gt=0, le=3600, description="Most that a call may ask for with timeout_seconds."
    )
    plugins: tuple[str, ...] = Field(
        default=(),
        description="Names of installed plugins that may read tables of other formats, in worker processes.",
    )
    folders: bool = Field(default=True, description="Serve a folder of files of one shape as one table, too.")
    copy_bytes: int = Field(
        default=1 << 20, ge=0, description="CSV and JSON files from this size on get a columnar copy in the cache."
    )
    copy_seconds: float = Field(default=900.0, gt=0, le=86_400, description="Longest that making a copy may take.")
    max_result_bytes: int = Field(default=1 << 30, ge=1, description="Largest result that query_tables may save.")
    max_result_read_bytes: int = Field(
        default=16 << 20, ge=1, description="Largest saved result that is read as a resource."
    )
    default_rows: int = Field(default=100, ge=1, description="Rows returned when max_rows isn't given.")
    max_rows: int = Field(default=10_000, ge=1, le=1_000_000, description="Most rows one call may ask for.")
    workers: int = Field(default=2, ge=1, le=64, description="Statements that can run at once, each in a process.")
    threads: int = Field(default=0, ge=0, le=256, description="Threads of each engine; 0: the cores there are.")
    memory_mb: int = Field(default=1024, ge=64, description="Memory the engine may use before it spills to disk.")
    worker_memory_mb: int = Field(default=3072, ge=1024, description="Memory at which a worker process is stopped.")
    max_spill_mb: int = Field(default=4096, ge=0, description="Disk space a statement may spill to, in the cache.")

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str | None) -> str | None:
        try:
            return encoding and codecs.lookup(encoding).name
        except LookupError as error:
            raise ValueError(f"{encoding!r} is not an encoding Python knows") from error
