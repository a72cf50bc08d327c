"""`fresh-context index`, `search` and `context`: the search index from the command line."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mcp_server.cli.progress import StepsLine, shown
from mcp_server.cli.user_folder import user_folder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from mcp_types import CallToolResult

    from mcp_context_resources.index.request import BuildState
    from mcp_context_resources.index.service import SearchIndex
    from mcp_server.settings import Settings

T = TypeVar("T")

_INDEX: Final = """\
Read every document and table of some folders and make them searchable. What is read already stays: this can be
stopped at any moment and goes on where it was; only new and changed files are read. Searching does the same by itself
while a server runs; this does it at once. Folders are those of the settings file if none is named, or else this one.
"""
_INDEX_EXAMPLES: Final = """\
examples:
  fresh-context index ~/reports ~/data                 make two folders searchable
  fresh-context index ~/reports --no-vectors           by words alone, which is quick
  fresh-context index ~/reports --drop                 forget the index of that folder
"""
_SEARCH: Final = """\
Find passages of documents and rows of tables, by words and by meaning, in Japanese and English alike. New and changed
files are read first. Folders are those of the settings file if none is named with --in, or else this one.
"""
_SEARCH_EXAMPLES: Final = """\
examples:
  fresh-context search "how long is lost property kept" --in ~/reports
  fresh-context search '"exact phrase" ISO-9001 -draft'    a phrase, an identifier, a word that must not occur
  fresh-context search 忘れ物 --kind document --after 2026-01-01
  fresh-context search fares --source '*handbook*' --k 3 --json
"""
_CONTEXT: Final = """\
Gather what answers a question, within a number of tokens, ready to be handed to a language model: passages with their
places, tables with SQL, and what was left out. Folders are chosen as with search.
"""
_CONTEXT_EXAMPLES: Final = """\
examples:
  fresh-context context "Why did the Hill Line stand still?" --in ~/reports --max-tokens 1000
  fresh-context context "忘れ物は何日間保管されますか" --in ~/reports | some-model
"""
_SHOWN_PROBLEMS: Final = 20
_ASKING: Final = frozenset({"search", "context"})
_SWITCHES: Final = frozenset({"--json"})
_PATH_MARKS: Final = frozenset({os.sep, os.altsep or os.sep})
# No argument of a command can hold one.
_KEPT: Final = "\0"
# Controls and halves of characters, which JSON allows as they are.
_UNPRINTED: Final = re.compile(r"[\x7f-\x9f\ud800-\udfff]")


def add_parsers(commands: Any) -> None:
    """Add the commands `index`, `search` and `context` to the commands of the parser."""

    def command(
        name: str, run: Callable[[argparse.Namespace, Settings], int], summary: str, description: str, examples: str
    ) -> Any:
        made = commands.add_parser(
            name,
            help=summary,
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.add_argument("--config", type=Path, metavar="FILE", help="settings file (TOML)")
        made.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="any setting of `config show`"
        )
        made.add_argument("--json", action="store_true", help="print JSON")
        made.set_defaults(run=lambda arguments: run(arguments, _settings(arguments)))
        return made

    index = command("index", _index, "make folders searchable now", _INDEX, _INDEX_EXAMPLES)
    index.add_argument("folders", nargs="*", metavar="DIR", help="folders to read")
    index.add_argument("--no-vectors", action="store_true", help="for search by words alone")
    index.add_argument("--drop", action="store_true", help="forget what the index holds of these folders, and stop")

    search = command("search", _search, "find passages in documents and tables", _SEARCH, _SEARCH_EXAMPLES)
    search.add_argument(
        "query", nargs="+", type=_word, metavar="QUERY", help='words, a question, a "phrase" or an identifier'
    )
    search.add_argument("--k", type=int, default=10, metavar="N", help="most hits (default: %(default)s)")
    _add_filters(search)
    search.add_argument("--folder", default="", metavar="PATH", help="only files below this folder of the served ones")
    search.add_argument("--after", default="", metavar="DATE", help="only files changed since, such as 2026-01-31")
    search.add_argument("--before", default="", metavar="DATE", help="only files changed before")
    search.add_argument("--cursor", metavar="CURSOR", help="go on where the results before ended")

    context = command("context", _context, "gather what answers a question", _CONTEXT, _CONTEXT_EXAMPLES)
    context.add_argument("query", nargs="+", type=_word, metavar="QUESTION", help="what is to be answered")
    context.add_argument(
        "--max-tokens", type=int, default=2_000, metavar="N", help="most tokens of it (default: %(default)s)"
    )
    _add_filters(context)


def with_words_kept(argv: Sequence[str]) -> list[str]:
    """Mark the words of a query that begin with a minus as words, since argparse would take them for options."""
    kept = list(argv)
    if not kept or kept[0] not in _ASKING:
        return kept
    for place in range(1, len(kept)):
        before, word = kept[place - 1], kept[place]
        is_value = before.startswith("--") and before not in _SWITCHES and "=" not in before
        if len(word) > 1 and word[0] == "-" and word[1] != "-" and word != "-h" and not is_value:
            kept[place] = f"{_KEPT}{word}"
    return kept


def _word(text: str) -> str:
    """Return a word of a query; raises `ArgumentTypeError` for a folder, which was meant to be searched in."""
    word = text.removeprefix(_KEPT)
    if _PATH_MARKS.intersection(word) and _is_folder(word):
        told = f"{word} is a folder: write --in {word} to search in it, or '\"{word}\"' to search for these words"
        raise argparse.ArgumentTypeError(told)
    return word


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):  # too long for a name
        return False


def _add_filters(parser: Any) -> None:
    parser.add_argument(
        "--in", action="append", default=[], dest="folders", metavar="DIR", help="folder to search; may be repeated"
    )
    parser.add_argument(
        "--source", action="append", default=[], metavar="NAME", help="only this source, or glob; may be repeated"
    )
    parser.add_argument("--kind", choices=("document", "table"), help="only this kind")
    parser.add_argument(
        "--wait", type=float, metavar="SECONDS", help="how long new and changed files are waited for (20 s by default)"
    )


def _settings(arguments: argparse.Namespace) -> Settings:
    from mcp_server.cli import configuration

    flags: dict[str, Any] = dict(map(configuration.parse_assignment, arguments.set))
    if arguments.folders:
        flags["workspace.roots"] = arguments.folders
    if getattr(arguments, "wait", None) is not None:
        flags["index.wait_seconds"] = arguments.wait
    # Nothing is read in the background: the command itself says what, and when it is done.
    flags["index.build"] = "never"
    settings = configuration.load(flags, os.environ, config_file=arguments.config, user_folder=user_folder()).settings
    if not settings.workspace.roots:
        workspace = settings.workspace.model_copy(update={"roots": (Path.cwd(),)})
        settings = settings.model_copy(update={"workspace": workspace})
    return settings


def _index(arguments: argparse.Namespace, settings: Settings) -> int:
    import dataclasses

    import anyio

    if arguments.drop:
        dropped = anyio.run(_drop, settings)
        return _json({"dropped": dropped}) if arguments.json else _say(f"Forgot {dropped:,} sources.")
    try:
        with StepsLine(sys.stderr) as line:
            state = anyio.run(_build, settings, line, not arguments.no_vectors)
    except KeyboardInterrupt:
        _say("Stopped. What was read is kept; run the command again to go on.", stream=sys.stderr)
        raise
    return _json(dataclasses.asdict(state)) if arguments.json else _say(*_summary(state, settings))


async def _build(settings: Settings, line: StepsLine, vectors: bool) -> BuildState:
    return await _with_index(settings, lambda index: index.build(on_progress=line, vectors=vectors))


async def _drop(settings: Settings) -> int:
    return await _with_index(settings, lambda index: index.drop())


async def _with_index(settings: Settings, work: Callable[[SearchIndex], Awaitable[T]]) -> T:
    from mcp_context_resources.errors import ContextError
    from mcp_server.server import create_server

    server = create_server(settings)
    async with server.lifespan(server) as services:
        try:
            return await work(services.index)
        except ContextError as error:
            failure = error  # raised in here it would leave wrapped in a group
    raise failure


def _summary(state: BuildState, settings: Settings) -> list[str]:
    from mcp_context_tools.rendering import size_text

    folders = ", ".join(str(root) for root in settings.workspace.roots)
    noun = "source is" if state.sources_total == 1 else "sources are"
    ready = f"{state.sources_ready:,} of {state.sources_total:,} {noun} searchable in {folders}"
    passages = f"{state.chunks:,} passages, {state.vectors_ready:,} of them by meaning, too"
    lines = [f"{ready}: {passages}; {size_text(state.bytes)}."]
    if state.problems:
        lines.append("These couldn't be read:")
        lines += [f"  {problem}" for problem in state.problems[:_SHOWN_PROBLEMS]]
        if (more := state.sources_unreadable - len(state.problems[:_SHOWN_PROBLEMS])) > 0:
            lines.append(f"  … and {more:,} more.")
    return [*lines, *state.notes]


def _search(arguments: argparse.Namespace, settings: Settings) -> int:
    return _tool(
        arguments,
        settings,
        "search",
        {
            "query": " ".join(arguments.query),
            "k": arguments.k,
            "folder": arguments.folder,
            "modified_after": arguments.after,
            "modified_before": arguments.before,
            "cursor": arguments.cursor,
        },
    )


def _context(arguments: argparse.Namespace, settings: Settings) -> int:
    given = {"question": " ".join(arguments.query), "max_tokens": arguments.max_tokens}
    return _tool(arguments, settings, "get_context", given)


def _tool(arguments: argparse.Namespace, settings: Settings, name: str, given: dict[str, Any]) -> int:
    """Call a tool as an MCP client does, and print what it says."""
    import anyio

    given |= {"sources": arguments.source, "kinds": [arguments.kind] if arguments.kind else []}
    given = {key: value for key, value in given.items() if value not in (None, "", [])}
    server = settings.server.model_copy(update={"tools": (name,)})
    with StepsLine(sys.stderr) as line:
        result = anyio.run(_call, settings.model_copy(update={"server": server}), name, given, line)
    if arguments.json:
        _json(result.structured_content)
    else:
        text = "\n".join(block.text for block in result.content if block.type == "text")
        _say(text, stream=sys.stderr if result.is_error else sys.stdout)
    return 1 if result.is_error else 0


async def _call(settings: Settings, name: str, given: dict[str, Any], line: StepsLine) -> CallToolResult:
    from mcp.client.client import Client

    from mcp_server.server import create_server

    async def progressed(progress: float, total: float | None, message: str | None) -> None:
        await line(progress, total, message)

    async with Client(create_server(settings)) as client:
        return await client.call_tool(name, given, progress_callback=progressed)


def _json(value: object) -> int:
    written = json.dumps(value, ensure_ascii=False, indent=2)
    sys.stdout.write(_UNPRINTED.sub(lambda char: f"\\u{ord(char[0]):04x}", written) + "\n")
    return 0


def _say(*lines: str, stream: Any = None) -> int:
    (stream or sys.stdout).write("".join(f"{shown(line)}\n" for line in lines))
    return 0
