"""Settings of the document readers."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator


class DocumentSettings(BaseModel):
    """Limits of the document readers."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    deadline_seconds: float = Field(default=30.0, gt=0, le=3600, description="Longest one reading may take.")
    workers: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Documents, or parts of a long one, that can be read at once; 0: one a core, at most four.",
    )
    worker_memory_mb: int = Field(default=2048, ge=256, description="Memory at which a worker process is stopped.")
    passwords: tuple[SecretStr, ...] = Field(
        default=(),
        description='Passwords of documents by file pattern (.gitignore syntax), such as "contracts/*.pdf=secret".',
    )
    ocr: Literal["auto", "off"] = Field(
        default="auto", description="Whether pages that are only pictures are read by text recognition (extra ocr)."
    )
    ocr_languages: tuple[str, ...] = Field(
        default=("jpn", "eng"), description="Languages that text recognition expects, by Tesseract's names."
    )
    encoding: str | None = Field(
        default=None, description="Encoding of text documents that don't declare one; found out by default."
    )
    max_image_bytes: int = Field(
        default=700_000, ge=10_000, description="Largest picture of a page; larger ones are drawn with fewer dots."
    )

    plugins: tuple[str, ...] = Field(
        default=(),
        description="Names of installed plugins that may read documents of other formats, in worker processes.",
    )

    @field_validator("passwords")
    @classmethod
    def _has_pattern(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any("=" not in item.get_secret_value().lstrip("=") for item in value):
            raise ValueError('a password is written as "file pattern=password"')
        return value
