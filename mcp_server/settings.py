"""All settings: each engine declares its section, this composes them."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mcp_context_resources.budget import BudgetSettings
from mcp_context_resources.charts.settings import ChartSettings
from mcp_context_resources.documents.settings import DocumentSettings
from mcp_context_resources.index.settings import IndexSettings
from mcp_context_resources.models.settings import ModelSettings
from mcp_context_resources.redaction.settings import RedactionSettings
from mcp_context_resources.storage import StorageSettings
from mcp_context_resources.tables.settings import TableSettings
from mcp_context_resources.watch.settings import WatchSettings
from mcp_context_resources.workspace.settings import WorkspaceSettings
from mcp_server.http.settings import HttpSettings


class ServerSettings(BaseModel):
    """How the server presents itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe messages written to standard error."
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="How messages are written to standard error; json: one object a line."
    )
    log_arguments: bool = Field(
        default=False,
        description="Also log what is asked, such as SQL and questions, and what exceptions say: it may quote files.",
    )
    tools: tuple[str, ...] = Field(default=(), description="Names of the tools to serve; all when empty.")


class TelemetrySettings(BaseModel):
    """Where traces go."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str = Field(
        default="",
        description="Where traces of calls are sent by OTLP over HTTP, such as http://127.0.0.1:4318, by someone who"
        " has the 'telemetry' extra; by default what OTEL_EXPORTER_OTLP_ENDPOINT names, if that is on this machine."
        " They tell names of tools, sizes and times, never contents. off: nowhere.",
    )

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value in ("", "off"):
            return value
        parts = urlsplit(value)
        port = parts.port  # a wrong one raises
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username or port == 0:
            raise ValueError("it is a URL such as http://127.0.0.1:4318, without user name, or off")
        return value


class Settings(BaseModel):
    """Everything that can be set. Immutable; defaults serve well."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    workspace: WorkspaceSettings = WorkspaceSettings()
    budget: BudgetSettings = BudgetSettings()
    tables: TableSettings = TableSettings()
    documents: DocumentSettings = DocumentSettings()
    models: ModelSettings = ModelSettings()
    index: IndexSettings = IndexSettings()
    charts: ChartSettings = ChartSettings()
    redaction: RedactionSettings = RedactionSettings()
    storage: StorageSettings = StorageSettings()
    watch: WatchSettings = WatchSettings()
    server: ServerSettings = ServerSettings()
    http: HttpSettings = HttpSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
