"""All settings: each engine declares its section, this composes them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mcp_context_resources.budget import BudgetSettings
from mcp_context_resources.charts.settings import ChartSettings
from mcp_context_resources.documents.settings import DocumentSettings
from mcp_context_resources.index.settings import IndexSettings
from mcp_context_resources.models.settings import ModelSettings
from mcp_context_resources.redaction.settings import RedactionSettings
from mcp_context_resources.storage import StorageSettings
from mcp_context_resources.tables.settings import TableSettings
from mcp_context_resources.workspace.settings import WorkspaceSettings
from mcp_server.http.settings import HttpSettings


class ServerSettings(BaseModel):
    """How the server presents itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe messages written to standard error."
    )
    tools: tuple[str, ...] = Field(default=(), description="Names of the tools to serve; all when empty.")


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
    server: ServerSettings = ServerSettings()
    http: HttpSettings = HttpSettings()
