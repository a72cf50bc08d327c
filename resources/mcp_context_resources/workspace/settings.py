"""Settings of the workspace."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class WorkspaceSettings(BaseModel):
    """Which folders are served and what in them counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roots: tuple[Path, ...] = Field(default=(), description="Folders to serve; nothing outside them is readable.")
    ignore: tuple[str, ...] = Field(
        default=(), description="Patterns of files to leave out, in .gitignore syntax, relative to each root."
    )
    hidden: bool = Field(default=False, description="Serve files and folders whose name starts with a dot.")
    max_file_bytes: int = Field(default=8 << 30, ge=1, description="Larger files are left out.")
    max_files: int = Field(default=10_000, ge=1, le=1_000_000, description="Most files that are looked at.")
