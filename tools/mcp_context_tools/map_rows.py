"""`map_rows`: the local model over many rows; what it finds is a table for SQL."""

from __future__ import annotations

import hashlib
import json
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import anyio.to_thread
from pydantic import Field

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.tables.model_tables.manifest import Manifest
from mcp_context_resources.tables.model_tables.spec import RowsWanted
from mcp_context_tools.row_tasks.classify import Classify, check_labels
from mcp_context_tools.row_tasks.embed import Embed
from mcp_context_tools.row_tasks.extract import Extract
from mcp_context_tools.row_tasks.generate import Generate
from mcp_context_tools.row_tasks.map_summary import Mapping, answer
from mcp_context_tools.row_tasks.schema_columns import schema_columns
from mcp_context_tools.row_tasks.source_rows import source_rows
from mcp_context_tools.row_tasks.task_runner import Run, Runner
from mcp_context_tools.row_tasks.wording import quotation_key, wording_for
from mcp_context_tools.tool import Report, Services, Tool, ToolInput, ToolResult, telling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.router import Choice
    from mcp_context_resources.tables.dialect import Dialect
    from mcp_context_resources.tables.model_tables.spec import TakenRows
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.row_tasks.task import RowTask

MAX_ROWS: Final = 100_000
"""Most rows of one mapping."""

_DEFAULT_ROWS: Final = 1_000
_MAX_TEXT_CHARS: Final = 100_000
_MAX_PROMPT_CHARS: Final = 20_000
_DEFAULT_TOKENS: Final = 256
_WRITING_SECONDS: Final = 60.0
_NAME_CHARS: Final = 40
_IN_BRACES: Final = re.compile(r"\{([^{}\n]{1,200})\}")

_Task = Literal["classify", "extract", "generate", "embed"]


class MapRowsInput(ToolInput):
    """Arguments of `map_rows`."""

    sql: str | None = Field(default=None, description="SELECT whose rows are mapped; its columns are kept.")
    column: str | list[str] | None = Field(
        default=None, description="Text column, or several; the only text column if left out."
    )
    task: _Task | None = Field(
        default=None,
        description="classify (labels), extract (json_schema), generate (prompt) or embed (vectors for similarity);"
        " told from the other arguments if left out.",
    )
    labels: list[str] | dict[str, str] | None = Field(
        default=None, description="Names, or an object of names and what each means."
    )
    json_schema: dict[str, Any] | None = Field(
        default=None, description="Of an object; each property becomes a column."
    )
    prompt: str | None = Field(
        default=None, max_length=_MAX_PROMPT_CHARS, description="What to do with each row; {name} means a column."
    )
    table: str | None = Field(default=None, description="Name for the new table; map_ is put before it.")
    sources: list[str] | None = Field(
        default=None, max_length=50, description="Instead of sql: documents, their pages (report.pdf#pages=2-9)."
    )
    threshold: float = Field(default=0.0, ge=0, le=1, description="A label that scores less is left null.")
    scores: bool = Field(default=False, description="Also a column with every label's score.")
    max_rows: int = Field(default=_DEFAULT_ROWS, ge=1, le=MAX_ROWS, description="Most rows to map.")
    max_tokens: int | None = Field(default=None, ge=1, description="Most tokens generated per row; 256 by default.")
    model: str | None = Field(default=None, max_length=500, description="Name from list_sources.")


async def _map_rows(services: Services, arguments: MapRowsInput, report: Report) -> ToolResult:
    started = time.monotonic()
    kind = _checked(arguments, services.models.settings.max_tokens)
    mapped = services.tables.mapped
    rows_file = mapped.rows_file()
    try:
        taken, sources, notes = await _rows(services, arguments, kind, rows_file, report)
        catalogue = await services.tables.catalogue()
        key = await anyio.to_thread.run_sync(quotation_key, mapped.journal("").path.parent)
        task = _task(kind, arguments, taken, services.models.settings.parallel, key)
        frame = task.frame()[0]
        language = wording_for((frame,), taken.texts).language if task.role == "chat" else None
        model = await services.models.choose(catalogue, task.role, arguments.model, language=language)
        identity = partial(services.models.identity, model, embeds=task.role == "embed")
        settled = _written(dict(task.settled) | {"model": await anyio.to_thread.run_sync(identity)})
        name = mapped.free_name(catalogue, arguments.table or _default_name(arguments, sources, settled))
        journal = mapped.journal(settled)
        runner = Runner(services.models, model, task, taken, journal, report)
        run = await runner.work(max(1.0, services.models.settings.deadline_seconds - (time.monotonic() - started)))
        manifest = _manifest(services, name, task, model, taken, run, sources)
        made = await mapped.write(
            manifest,
            rows_file,
            journal,
            [None if place is None else run.keys[place] for place in taken.places],
            task.columns,
            run.problems,
            deadline=_WRITING_SECONDS,
        )
        for lost in made.missing:  # what was done, but is gone from the cache
            run.findings.pop(lost, None)
        run.unfinished = max(run.unfinished, len(made.missing))
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(mapped.forget_rows, rows_file)
    dialect = services.tables.dialect
    shown = f"SELECT {_but_vectors(dialect, task, made.names)} FROM {dialect.identifier(name)}"  # noqa: S608 - quoted
    preview = await services.tables.query(shown, None, max_rows=5, max_chars=4_000, max_cell_chars=120)
    mapping = Mapping(name, task, model, taken, run, made.names, notes, sources, preview)
    return answer(mapping, services.budget.max_chars)


def _checked(arguments: MapRowsInput, most_tokens: int) -> _Task:
    """Return the task; raises `InvalidInputError` for arguments that are missing or don't go together."""
    kind = arguments.task or _told(arguments)
    if (arguments.sql is None) == (arguments.sources is None):
        raise InvalidInputError(
            "Give rows: either sql or sources." if arguments.sql is None else "There are both sql and sources.",
            'For example sql: "SELECT * FROM reviews", or sources: ["report.pdf#pages=2-9"].',
        )
    if arguments.sources is not None and not arguments.sources:
        raise InvalidInputError("There are no sources.", "Name documents, or give sql.")
    needed = {"classify": "labels", "extract": "json_schema", "generate": "prompt"}.get(kind)
    if needed is not None and not getattr(arguments, needed):
        raise InvalidInputError(f"The task {kind} needs {needed}.", f"Give {needed}.")
    if arguments.labels is not None and kind == "classify":
        check_labels(arguments.labels)
    if arguments.json_schema is not None and kind == "extract":
        schema_columns(arguments.json_schema)
    if arguments.max_tokens is not None and arguments.max_tokens > most_tokens:
        raise InvalidInputError(
            f"max_tokens is {arguments.max_tokens:,}; at most {most_tokens:,} is allowed.", "Ask for fewer."
        )
    return kind


def _told(arguments: MapRowsInput) -> _Task:
    if arguments.labels is not None:
        return "classify"
    if arguments.json_schema is not None:
        return "extract"
    if arguments.prompt is not None:
        return "generate"
    raise InvalidInputError(
        "There is no task.", "Give labels (classify), json_schema (extract), prompt (generate), or task embed."
    )


async def _rows(
    services: Services, arguments: MapRowsInput, kind: _Task, rows_file: str, report: Report
) -> tuple[TakenRows, list[Source], list[str]]:
    """Keep the rows to map; returns them, the sources they came from, and what is to be told."""
    columns = (arguments.column,) if isinstance(arguments.column, str) else tuple(arguments.column or ())
    wanted = RowsWanted(columns, arguments.prompt or "", arguments.max_rows, _MAX_TEXT_CHARS, rows_file)
    notes: list[str] = []
    if arguments.sql is not None:
        taken, sources = await services.tables.take_rows(
            arguments.sql, None, wanted, on_progress=telling(report, "running SQL")
        )
    else:
        taken, sources, notes = await source_rows(
            services, arguments.sources or (), wanted, report, short=kind == "embed"
        )
    if not taken.places:
        raise InvalidInputError("There are no rows to map.", "Check the filters of the statement.")
    if taken.more:
        notes.append(f"Only the first {len(taken.places):,} rows are mapped: raise max_rows for more.")
    return taken, sources, notes


def _task(kind: _Task, arguments: MapRowsInput, taken: TakenRows, parallel: int, key: bytes) -> RowTask:
    if kind == "embed":
        return Embed()
    prompt = " ".join((arguments.prompt or "").split()) if kind == "classify" else (arguments.prompt or "").strip()
    prompt = _with_names(prompt, taken)
    labels = check_labels(arguments.labels or {}) if kind == "classify" else {}
    wording = wording_for((prompt, *labels, *labels.values()), taken.texts)
    tokens = arguments.max_tokens or _DEFAULT_TOKENS
    if kind == "classify":
        return Classify(labels, prompt, arguments.threshold, wording, scores=arguments.scores)
    if kind == "extract":
        return Extract(arguments.json_schema or {}, prompt, tokens, parallel, wording, key=key)
    return Generate(prompt, tokens, parallel, wording, key=key)


def _with_names(prompt: str, taken: TakenRows) -> str:
    """Take the braces off the names of columns; raises `InvalidInputError` for one whose text isn't given along."""
    read = {name.casefold(): name for name in taken.text_columns}
    for name in _IN_BRACES.findall(prompt):
        if name.casefold() not in read and any(name.casefold() == column.name.casefold() for column in taken.columns):
            raise InvalidInputError(
                f"The prompt has {{{name}}}, but column {name!r} isn't read.",
                "Add it to column, or leave column out: then the columns in the prompt are read.",
            )
    return _IN_BRACES.sub(lambda found: read.get(found[1].casefold(), found[0]), prompt)


def _written(settled: dict[str, Any]) -> str:
    return json.dumps(settled, ensure_ascii=True, sort_keys=True)


def _default_name(arguments: MapRowsInput, sources: Sequence[Source], settled: str) -> str:
    """Call the table by where its rows came from; the same call always gets the same name."""
    rows = (arguments.sql, arguments.sources, arguments.column, arguments.max_rows, arguments.threshold)
    mark = hashlib.sha256(f"{settled}\0{rows}".encode("utf-8", "replace")).hexdigest()[:6]
    first = sources[0].name.removeprefix("map_")[:_NAME_CHARS] if sources else "rows"
    return f"map_{first}_{mark}"


def _manifest(
    services: Services,
    name: str,
    task: RowTask,
    model: Choice,
    taken: TakenRows,
    run: Run,
    sources: Sequence[Source],
) -> Manifest:
    mapped = services.tables.mapped
    vectors = [column.name for column in taken.columns if column.type == "FLOAT[]"]
    embedded = mapped.embedded_by(sources) if vectors else []
    if task.role == "embed":
        embedded.append(model.source.name)
    todo = {key for key in run.keys if key not in run.findings and key not in run.problems}
    return Manifest(
        name=name,
        file="",
        size=0,
        made_ns=0,
        task=task.name,
        model=model.source.name,
        rows=len(taken.places),
        unfinished=sum(place is not None and run.keys[place] in todo for place in taken.places),
        sources=tuple(source.name for source in sources),
        files=mapped.origin_files(sources),
        embedded_by=tuple(dict.fromkeys(embedded)),
    )


def _but_vectors(dialect: Dialect, task: RowTask, names: Sequence[str]) -> str:
    vectors = [name for name, column in zip(names, task.columns, strict=False) if column.vectors]
    return dialect.all_columns_but(vectors[0]) if vectors else "*"


MAP_ROWS: Final = Tool(
    name="map_rows",
    title="Run the local model over rows",
    description=(
        "Let the model on this machine classify, extract from, rewrite or embed every row of a query or page of"
        " documents. The result is a table for query_tables, kept in the cache; nothing leaves the machine. A call"
        " that was cut goes on where it stopped when repeated. With embeddings: ORDER BY cosine_similarity(embedding,"
        " embed('words')) DESC."
    ),
    input=MapRowsInput,
    run=_map_rows,
)
