"""Storage: settings of the folder for derived files."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from mcp_context_resources.errors import ConfigurationError


class StorageSettings(BaseModel):
    """Where derived files are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cache_dir: Path | None = Field(default=None, description="Cache folder; the user's cache folder by default.")
    max_cache_bytes: int = Field(
        default=5 << 30, ge=0, description="Least recently used files beyond this size are removed."
    )

    def folder(self) -> Path:
        """Return the cache folder, made if missing, readable by its owner only.

        Raises `ConfigurationError` where it can't be made.
        """
        import platformdirs

        folder = self.cache_dir or platformdirs.user_cache_path("fresh-context", appauthor=False)
        folder = folder.expanduser().absolute()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"The cache folder {folder} can't be made: {error.strerror or 'unknown reason'}.",
                "Name another folder with storage.cache_dir.",
            ) from error
        return folder.resolve()
