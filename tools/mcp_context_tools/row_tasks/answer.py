"""What `map_rows` answers: what was done, what not, and how to use the new table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.tables.mapped.journal import value_of
from mcp_context_tools.rendering import cost, csv_line, provenance
from mcp_context_tools.row_tasks.classify import LABEL
from mcp_context_tools.row_tasks.extract import NOT_IN_TEXT
from mcp_context_tools.row_tasks.running import CUT
from mcp_context_tools.tool import ToolResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.router import Choice
    from mcp_context_resources.tables.mapped.journal import Finding
    from mcp_context_resources.tables.mapped.spec import TakenRows
    from mcp_context_resources.tables.service import QueryPage
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.row_tasks.running import Run
    from mcp_context_tools.row_tasks.task import RowTask

_LABELS_SHOWN: Final = 30


@dataclass(frozen=True, slots=True)
class Mapping:
    """All there is to tell of a mapping; `names` are those of the new columns in the table."""

    table: str
    task: RowTask
    model: Choice
    taken: TakenRows
    run: Run
    names: Sequence[str]
    notes: list[str]
    sources: Sequence[Source]
    preview: QueryPage


def answer(mapping: Mapping, max_chars: int) -> ToolResult:
    """Write the answer within the budget: with as many first rows as fit."""
    rows = len(mapping.preview.fetched.rows)
    while True:
        result = _render(mapping, rows)
        if rows == 0 or cost(result.text, result.data) <= max_chars:
            return result
        rows -= 1


def _render(mapping: Mapping, shown: int) -> ToolResult:
    run, fetched, taken = mapping.run, mapping.preview.fetched, mapping.taken
    data = _counts(mapping)
    data |= {
        "columns": [{"name": column.name, "type": column.type} for column in fetched.columns],
        "rows_shown": fetched.rows[:shown],
        "model": mapping.model.source.name,
        "model_reason": mapping.model.reason,
        "quantization": run.quantization,
        "device": run.device,
        "tokens_in": run.tokens_in,
        "tokens_out": run.tokens_out,
        "seconds": round(run.seconds, 2),
        "sql": _example(mapping),
        "sources": [source.ref().model_dump() for source in mapping.sources[:8]],
        "truncated": bool(run.unfinished) or taken.more,
    }
    if run.fresh and run.seconds:
        data["texts_per_second"] = round(run.fresh / run.seconds, 2)
    if mapping.notes:
        data["notes"] = mapping.notes
    text = "\n".join([*_lines(mapping, data), ""])
    if shown:
        text += f"First {shown} rows:\n" + csv_line(column.name for column in fetched.columns)
        text += "".join(csv_line(row) for row in fetched.rows[:shown])
    return ToolResult(text + provenance([source.ref() for source in mapping.sources]), data)


def _counts(mapping: Mapping) -> dict[str, Any]:
    """Count rows by what became of them; texts that occur more than once were worked on once."""
    run, taken = mapping.run, mapping.taken
    keys = [None if place is None else run.keys[place] for place in taken.places]
    findings = [run.findings.get(key) for key in keys if key is not None]
    found = [finding for finding in findings if finding is not None]
    given_up = sum(key in run.problems for key in keys if key is not None)
    counts: dict[str, Any] = {
        "table": mapping.table,
        "task": mapping.task.name,
        "rows": len(keys),
        "done": len(found),
        "texts": len(run.keys),
        "empty": keys.count(None),
        "problems": given_up + sum(_is_problem(finding) for finding in found),
        "cut": sum(finding.problem.startswith(CUT) for finding in found),
        "resumed": run.resumed,
        "unfinished": len(findings) - len(found) - given_up,
    }
    first = mapping.task.columns[0]
    if first.name == LABEL and mapping.task.name == "classify":
        labels = Counter(value_of(first, finding) for finding in found)
        counts["abstained"] = labels.pop(None, 0)
        counts["labels"] = dict(labels.most_common())
    if mapping.task.name == "extract":
        last = mapping.task.columns[-1].name
        counts[NOT_IN_TEXT] = sum(bool(finding.values.get(last)) for finding in found)
    return counts


def _is_problem(finding: Finding) -> bool:
    return bool(finding.problem) and not finding.problem.startswith(CUT)


def _lines(mapping: Mapping, data: dict[str, Any]) -> list[str]:
    run = mapping.run
    lines = [f"Table {mapping.table}: {data['done']:,} of {data['rows']:,} rows done ({data['task']})."]
    if labels := data.get("labels"):
        listed = [f"{label} {count:,}" for label, count in list(labels.items())[:_LABELS_SHOWN]]
        lines.append(f"Labels: {', '.join(listed)}{', …' if len(labels) > _LABELS_SHOWN else ''}.")
    told = {
        "abstained": "{} rows score below the threshold: their label is null.",
        "empty": "{} rows have no text: null.",
        "cut": "{} texts were too long for the model: only their beginning was read (column problem).",
        "problems": "{} rows have a problem (column problem).",
        NOT_IN_TEXT: "{} rows have values that don't occur in their text (column not_in_text): check these.",
        "resumed": "Resumed: {} texts had been done before.",
    }
    lines += [sentence.format(f"{data[key]:,}") for key, sentence in told.items() if data.get(key)]
    if data["texts"] + data["empty"] < data["rows"]:
        lines.append(f"{data['texts']:,} different texts: the same text was worked on once.")
    if run.unfinished:
        lines.append(
            f"Stopped at models.deadline_seconds: {data['unfinished']:,} rows are not done yet."
            " Repeat the call to go on."
        )
    lines += mapping.notes
    speed = f", {data['texts_per_second']:.1f} texts a second" if "texts_per_second" in data else ""
    lines.append(
        f"Model: {data['model']} ({data['model_reason']}), {run.tokens_in:,} tokens in, {run.tokens_out:,} out,"
        f" {run.seconds:.1f} s{speed}. A small model: check what matters."
    )
    lines.append(f"Use it: {data['sql']}")
    return lines


def _example(mapping: Mapping) -> str:
    source = f"FROM {mapping.table}"
    first = mapping.names[0] if mapping.names[0].isidentifier() else f'"{mapping.names[0]}"'
    if mapping.task.name == "classify":
        return f"SELECT {first}, count(*) AS n {source} GROUP BY ALL ORDER BY n DESC"
    if mapping.task.name == "embed":
        similarity = f"cosine_similarity({first}, embed('words to look for'))"
        return f"SELECT * EXCLUDE ({first}), {similarity} AS similarity {source} ORDER BY similarity DESC LIMIT 10"
    return f"SELECT * {source} WHERE problem IS NULL LIMIT 10"
