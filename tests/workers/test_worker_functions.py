"""Worker functions: what their callers declare of them is what they are."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "resources"


@dataclass(frozen=True)
class Declared:
    """A `WorkerFunction` in a module: its target, its result and its arguments as they are written."""

    home: str
    target: str
    types: tuple[str, ...]


def declared_in(path: Path) -> list[Declared]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = {
        node.target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    found = []
    for node in tree.body:
        call = node.value if isinstance(node, ast.AnnAssign) else None
        if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "WorkerFunction"):
            continue
        assert isinstance(node, ast.AnnAssign)
        assert isinstance(node.annotation, ast.Subscript)
        written = node.annotation.slice  # of Final[WorkerFunction[…]]
        assert isinstance(written, ast.Subscript)
        types = written.slice.elts if isinstance(written.slice, ast.Tuple) else [written.slice]
        target = eval(ast.unparse(call.args[0]), {}, texts)
        found.append(Declared(path.stem, target, tuple(ast.unparse(one) for one in types)))
    return found


DECLARED = [one for path in sorted(SOURCES.rglob("*.py")) for one in declared_in(path)]


def function_of(target: str) -> ast.FunctionDef:
    module, _, name = target.partition(":")
    tree = ast.parse((SOURCES / Path(*module.split("."))).with_suffix(".py").read_text(encoding="utf-8"))
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)


@pytest.mark.parametrize("declared", DECLARED, ids=lambda one: one.target.rpartition(".")[2])
def test_a_worker_function_has_the_types_its_caller_declares(declared: Declared) -> None:
    function = function_of(declared.target)
    job, *arguments = function.args.args
    assert job.annotation is not None
    assert ast.unparse(job.annotation) == "Job"
    assert not function.args.kwonlyargs
    needed = len(arguments) - len(function.args.defaults)
    assert needed <= len(declared.types) - 1 <= len(arguments)
    written = [function.returns, *(argument.annotation for argument in arguments)]
    assert declared.types == tuple(ast.unparse(one) for one in written[: len(declared.types)] if one is not None)


def test_every_room_with_workers_declares_its_functions() -> None:
    rooms = {one.target.split(".")[1] for one in DECLARED}
    assert rooms >= {"charts", "documents", "index", "models", "tables"}
