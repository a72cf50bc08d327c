"""Worker function: a function of an engine by its name and types, so that who calls it need not import the engine."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from mcp_context_resources.workers.job import Job

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class WorkerFunction(Generic[T, *Ts]):
    """A function of a module that only workers import: `WorkerFunction[Result, First, Second]("package.module:name")`.

    The function takes the `Job`, then the arguments of the types given, and returns the result. It is imported where
    it is called. Whether the types are those of the function itself is checked by a test. `label` is what observers are
    told, where that isn't the function's own name.
    """

    target: str
    label: str = ""

    @property
    def module(self) -> str:
        """The module of the function: what a worker imports before it is confined."""
        return self.target.partition(":")[0]

    @property
    def __name__(self) -> str:
        return self.label or self.target.rpartition(":")[2]

    def __call__(self, job: Job, *arguments: *Ts) -> T:
        """Import the function and call it; raises what it raises."""
        module, _, name = self.target.partition(":")
        function: Any = getattr(import_module(module), name)
        result: T = function(job, *arguments)
        return result
