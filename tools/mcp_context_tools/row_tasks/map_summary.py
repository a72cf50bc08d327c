"""What `map_rows` answers: what was done, what not, and how to use the new table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.models.remote.candidates import REMOTE
from mcp_context_resources.tables.model_tables.journal import value_of
from mcp_context_tools.rendering import cost, csv_line, provenance
from mcp_context_tools.row_tasks.classify import LABEL, SCORE
from mcp_context_tools.row_tasks.extract import NOT_IN_TEXT
from mcp_context_tools.row_tasks.task_runner import CUT, JOIN
from mcp_context_tools.tool import ToolResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.router import Choice
    from mcp_context_resources.tables.model_tables.journal import Finding
    from mcp_context_resources.tables.model_tables.spec import TakenRows
    from mcp_context_resources.tables.service import QueryPage
    from mcp_context_resources.workspace.source import Source
    from mcp_context_tools.row_tasks.task import RowTask
    from mcp_context_tools.row_tasks.task_runner import Run

_LABELS_SHOWN: Final = 30
_SOURCES_SHOWN: Final = 8


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


@dataclass(slots=True)
class _Shown:
    """How many of each are told; what is cut first comes first."""

    rows: int
    columns: int
    labels: int
    sources: int
    notes: int


def answer(mapping: Mapping, max_chars: int) -> ToolResult:
    """Write the answer within the budget: with as many first rows as fit, then fewer columns, labels, sources, notes.

    What these leave is short, but for a budget of a few hundred characters.
    """
    counts = _counts(mapping)
    notes = [*mapping.notes, *_remarks(mapping)]
    fetched = mapping.preview.fetched
    shown = _Shown(
        len(fetched.rows),
        len(fetched.columns),
        len(counts.get("labels", ())),
        min(len(mapping.sources), _SOURCES_SHOWN),
        len(notes),
    )
    result = _render(mapping, counts, notes, shown)
    for name, least in (("rows", 0), ("columns", 0), ("labels", 0), ("sources", 1), ("notes", 0)):
        while cost(result.text, result.data) > max_chars and (count := getattr(shown, name)) > least:
            setattr(shown, name, count - 1 if name == "rows" else max(least, count // 2))
            result = _render(mapping, counts, notes, shown)
    return result


def _remarks(mapping: Mapping) -> list[str]:
    """Say what a score is worth where the server of a remote model tells no probabilities."""
    if mapping.model.source.format != REMOTE or mapping.task.name != "classify":
        return []
    scores = [score for found in mapping.run.findings.values() if (score := found.values.get(SCORE)) is not None]
    if not scores or any(score != 1 for score in scores):
        return []
    return ["The model's server tells no probabilities: every score is 1, and a threshold changes nothing."]


def _render(mapping: Mapping, counts: dict[str, Any], notes: list[str], shown: _Shown) -> ToolResult:
    run, fetched, taken = mapping.run, mapping.preview.fetched, mapping.taken
    data = dict(counts)
    if "labels" in counts:
        data["labels"] = dict(list(counts["labels"].items())[: shown.labels])
    data |= {
        "columns": [{"name": column.name, "type": column.type} for column in fetched.columns[: shown.columns]],
        "rows_shown": fetched.rows[: shown.rows],
        "model": mapping.model.source.name,
        "model_reason": mapping.model.reason,
        "quantization": run.quantization,
        "device": run.device,
        "tokens_in": run.tokens_in,
        "tokens_out": run.tokens_out,
        "seconds": round(run.seconds, 2),
        "sql": _example(mapping),
        "sources": [source.ref().as_dict() for source in mapping.sources[: shown.sources]],
        "truncated": bool(run.unfinished) or taken.more,
    }
    if run.fresh and run.seconds:
        data["texts_per_second"] = round(run.fresh / run.seconds, 2)
    if notes[: shown.notes]:
        data["notes"] = notes[: shown.notes]
    left_out = {
        "columns": len(fetched.columns) - shown.columns,
        "labels": len(counts.get("labels", ())) - shown.labels,
        "sources": len(mapping.sources) - shown.sources,
        "notes": len(notes) - shown.notes,
    }
    if any(left_out.values()):
        data["left_out"] = {name: count for name, count in left_out.items() if count}
    text = "\n".join([*_lines(mapping, data), ""])
    if shown.rows:
        text += f"First {shown.rows} rows:\n" + csv_line(column.name for column in fetched.columns)
        text += "".join(csv_line(row) for row in fetched.rows[: shown.rows])
    named = provenance([source.ref() for source in mapping.sources[: shown.sources]])
    return ToolResult(text + named, data)


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
        "cut": sum(_is_cut(finding) for finding in found),
        "resumed": run.resumed,
        "unfinished": len(findings) - len(found) - given_up,
    }
    first = mapping.task.columns[0]
    if first.name == LABEL and mapping.task.name == "classify":
        labels = Counter(value_of(first, finding) for finding in found if not _is_problem(finding))
        counts["abstained"] = labels.pop(None, 0)
        counts["labels"] = dict(labels.most_common())
    if mapping.task.name == "extract":
        last = mapping.task.columns[-1].name
        counts[NOT_IN_TEXT] = sum(bool(finding.values.get(last)) for finding in found)
    return counts


def _is_cut(finding: Finding) -> bool:
    return finding.problem.startswith(CUT) or f"{JOIN}{CUT}" in finding.problem


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
    lines += data.get("notes", [])
    if left_out := data.get("left_out"):
        lines.append(f"Left out here for room: {', '.join(f'{count:,} {name}' for name, count in left_out.items())}.")
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
