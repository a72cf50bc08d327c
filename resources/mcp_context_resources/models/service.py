"""Models as the server sees them: a prompt in, text out; llama.cpp in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from mcp_context_resources.models import jobs
from mcp_context_resources.models.json_schema import check_json_schema
from mcp_context_resources.models.registry import check_gguf, choose, models
from mcp_context_resources.models.spec import Generation, ModelSpec
from mcp_context_resources.workers.confinement import Confinement
from mcp_context_resources.workers.cores import available_cores
from mcp_context_resources.workers.pool import WorkerPool

if TYPE_CHECKING:
    from mcp_context_resources.models.settings import ModelSettings
    from mcp_context_resources.models.spec import Generated
    from mcp_context_resources.workers.pool import Progress
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.source import Source
    from mcp_context_resources.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model generated, and which model it was."""

    model: Source
    generated: Generated


class Models:
    """The local models: the workspace's, the configured ones, and the starter."""

    def __init__(self, workspace: Workspace, settings: ModelSettings) -> None:
        self.settings = settings
        self._workspace = workspace
        memory = settings.worker_memory_mb << 20 or psutil.virtual_memory().total * 9 // 10
        folders = [str(root.path) for root in workspace.roots]
        files = [path.expanduser().resolve() for path in settings.files]
        self._pool = WorkerPool(
            "model",
            size=1,
            confinement=Confinement(
                readable=(*folders, *map(str, files)),
                memory_bytes=memory,
                cap_address_space=False,
                gpu_when="mcp_context_resources.models.llama:has_gpu" if settings.gpu_layers else "",
            ),
            preload=("mcp_context_resources.models.llama",),
            identity=workspace.roots.identity,
            queue_seconds=settings.deadline_seconds,
        )

    async def aclose(self) -> None:
        """Stop the model's process and free its memory."""
        await self._pool.aclose()

    def available(self, catalogue: Catalogue) -> list[Source]:
        """List the models that can be named, the default first."""
        return models(catalogue, self.settings)

    def choose(self, catalogue: Catalogue, name: str | None) -> Source:
        """Return the model a call means.

        Raises `ModelUnavailableError` when there is none or the file isn't a GGUF, `NotFoundError` for an unknown name.
        """
        source = choose(self.available(catalogue), name, self.settings)
        check_gguf(source)
        return source

    async def generate(
        self,
        model: Source,
        *,
        system: str,
        user: str,
        max_tokens: int,
        json_schema: dict[str, Any] | None = None,
        repeat_penalty: float = 1.0,
        on_progress: Progress | None = None,
    ) -> Completion:
        """Generate text with `model`; a `repeat_penalty` above 1 keeps a small model from going round in circles.

        Raises `InvalidInputError` for a bad schema, `PromptTooLongError`, and the workers' errors.
        """
        if json_schema is not None:
            check_json_schema(json_schema)
        spec = ModelSpec(
            name=model.name,
            path=str(model.path),
            version=model.fingerprint,
            context_tokens=self.settings.context_tokens,
            threads=self.settings.threads or available_cores(),
            gpu_layers=self.settings.gpu_layers,
        )
        request = Generation(
            system=system,
            user=user,
            max_tokens=max_tokens,
            json_schema=json_schema,
            repeat_penalty=repeat_penalty,
        )
        generated = await self._pool.run(
            jobs.generate, spec, request, deadline=self.settings.deadline_seconds, on_progress=on_progress
        )
        return Completion(model, generated)
