"""Main entry of the `fresh-context` command. Imports nothing heavy before it knows what is asked for."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_server import __version__
from mcp_server.cli import models_command, search_command
from mcp_server.cli.user_folder import user_folder
from mcp_server.front_door.preflight_config import FLAGS, HTTP_FLAGS, TOOLS_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp_context_resources.errors import ContextError
    from mcp_server.cli.configuration import Configuration
    from mcp_server.hosts.claude_desktop import InstallReport

_OVERVIEW = """\
Serve what is true now in your folders to any MCP client: tables by SQL, documents page by page, and a small local
language model. Nothing outside the folders is readable, nothing is written, nothing leaves this machine.
"""
_EXAMPLES = """\
examples:
  fresh-context demo                                   see it work on example data
  fresh-context install claude-desktop ~/Documents     add it to Claude Desktop
  fresh-context serve ~/reports ~/data                 serve two folders over stdio (what a host runs)
  fresh-context serve ~/reports --http                 serve over HTTP, on this machine
  fresh-context search "lost property" --in ~/reports  find passages in documents and tables
  fresh-context models list                            the local models, and which is for what
  fresh-context config show                            all settings, their meaning and where they come from
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 done, 1 failed, 2 misused."""
    arguments = _parser().parse_args(search_command.with_words_kept(sys.argv[1:] if argv is None else argv))
    from mcp_context_resources.errors import ContextError

    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except ContextError as error:
        if _told_as_json(arguments, error):
            return 1
        print(f"fresh-context: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _told_as_json(arguments: argparse.Namespace, error: ContextError) -> bool:
    if arguments.run is not _serve:
        return False
    from mcp_server.logging.logs import told_as_json

    wanted = arguments.log_format or os.environ.get("FRESH_CONTEXT_SERVER_LOG_FORMAT")
    return told_as_json(error, wanted=wanted == "json")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fresh-context",
        description=_OVERVIEW,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fresh-context {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    serve = commands.add_parser(
        "serve",
        help="serve folders to an MCP client over stdio, or over HTTP",
        description="Serve folders over standard input and output: the command an MCP host runs. Logs go to stderr,"
        " a line for each call."
        " With --http, serve them over HTTP instead, to clients that have the token of `fresh-context token`.",
    )
    _add_settings(serve)
    serve.add_argument(
        "--http",
        nargs="?",
        const="",
        metavar="HOST:PORT",
        help="serve MCP over HTTP at this address (default: 127.0.0.1:8765)",
    )
    serve.add_argument("--tls-certificate", metavar="FILE", help="certificate chain (PEM) for HTTPS")
    serve.add_argument("--tls-key", metavar="FILE", help="private key (PEM) of the certificate, if apart from it")
    serve.set_defaults(run=_serve)

    token = commands.add_parser(
        "token",
        help="print the token that clients of serve --http send",
        description="Print the bearer token that clients of `serve --http` send, made on first use.",
    )
    token.add_argument("--new", action="store_true", help="make a new one; servers that run must be started anew")
    _add_settings(token)
    token.set_defaults(run=_token)

    demo = commands.add_parser(
        "demo",
        help="watch a real client use the server on example data",
        description="Start the server on a copy of the example data and show what a client asks and gets.",
    )
    demo.add_argument("--data", type=Path, metavar="DIR", help="folder with the example data, if not the shipped one")
    demo.add_argument("--no-model", action="store_true", help="leave out the steps with the local model")
    demo.set_defaults(run=_demo)

    for name, run, summary in (
        ("install", _install, "add the server to an MCP host"),
        ("uninstall", _uninstall, "take the server out of an MCP host"),
    ):
        command = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
        command.add_argument("host", choices=("claude-desktop",), help="the host")
        if name == "install":
            command.add_argument("folders", nargs="*", metavar="DIR", help="folders to serve")
            command.add_argument("--print", action="store_true", help="only print the entry, change nothing")
        command.add_argument("--name", default="fresh-context", help="name of the entry (default: %(default)s)")
        command.add_argument("--config", type=Path, metavar="FILE", help="the host's configuration file, if elsewhere")
        command.add_argument("--dry-run", action="store_true", help="say what would be done, change nothing")
        command.set_defaults(run=run)

    config = commands.add_parser("config", help="show the settings in force", description="Show the settings.")
    actions = config.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("show", help="print all settings with meaning and origin, as TOML")
    _add_settings(show)
    show.set_defaults(run=_config_show)

    search_command.add_parsers(commands)
    models_command.add_parser(commands)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="*", metavar="DIR", help="folders to serve")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings file (TOML)")
    parser.add_argument(
        "--model", action="append", metavar="FILE", help="a GGUF model to offer; may be repeated, the first is default"
    )
    parser.add_argument(
        "--lora", action="append", metavar="FILE[=SCALE]", help="a LoRA adapter for the model that writes"
    )
    parser.add_argument(
        "--gpu-layers", type=int, metavar="N", help="layers put on a GPU; 0: none, -1: as many as fit (the default)"
    )
    parser.add_argument("--ignore", action="append", metavar="PATTERN", help="leave out files, as in .gitignore")
    parser.add_argument(
        "--redact",
        action="store_true",
        help="replace secrets and personal data (not names) by placeholders in all answers; needs the 'redact' extra",
    )
    parser.add_argument("--tools", metavar="NAMES", help="serve only these tools, separated by commas")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="what is logged to stderr")
    parser.add_argument("--log-format", choices=("text", "json"), help="how it is logged; json: one object a line")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any setting of `config show`, e.g. --set tables.deadline_seconds=60",
    )


def _configuration(arguments: argparse.Namespace) -> Configuration:
    from mcp_server.cli import configuration

    flags: dict[str, Any] = {}
    for assignment in arguments.set:
        key, value = configuration.parse_assignment(assignment)
        flags[key] = value
    for name, key in (FLAGS | HTTP_FLAGS).items():
        given = getattr(arguments, name, None)
        if not (given is None or given is False or given in ("", [])):  # 0 is given
            flags[key] = given
    if arguments.tools:
        flags[TOOLS_KEY] = [name.strip() for name in arguments.tools.split(",") if name.strip()]
    return configuration.load(
        flags,
        os.environ,
        config_file=arguments.config,
        user_folder=user_folder(),
    )


def _serve(arguments: argparse.Namespace) -> int:
    if arguments.http is not None:
        return _serve_http(arguments)
    from mcp_server.front_door.door import open_door

    door = open_door(arguments, os.environ, __version__, user_folder)
    settings = _configuration(arguments).settings
    # With these, making the server can still find a fault.
    if not (settings.redaction.enabled or settings.models.files):
        door.settle()
    from mcp_server.stdio import serving

    return serving.serve(settings, door)


def _serve_http(arguments: argparse.Namespace) -> int:
    if arguments.http and Path(arguments.http).is_dir():  # `serve --http DIR`
        arguments.folders.insert(0, arguments.http)
        arguments.http = ""
    settings = _configuration(arguments).settings
    from mcp_server.http.serving import serve_http

    return serve_http(settings, settings.http)


def _token(arguments: argparse.Namespace) -> int:
    from mcp_server.http.token_file import print_token

    return print_token(_configuration(arguments).settings.http, renew=arguments.new)


def _demo(arguments: argparse.Namespace) -> int:
    from mcp_server.cli import demo

    return demo.run(arguments.data, with_model=not arguments.no_model)


def _config_show(arguments: argparse.Namespace) -> int:
    from mcp_server.cli import configuration

    sys.stdout.write(configuration.show(_configuration(arguments)))
    return 0


def _install(arguments: argparse.Namespace) -> int:
    from mcp_server.hosts import claude_desktop

    if arguments.print:
        sys.stdout.write(claude_desktop.snippet(claude_desktop.server_entry(arguments.folders), arguments.name))
        return 0
    return _told(
        claude_desktop.install(
            arguments.folders, name=arguments.name, config=arguments.config, dry_run=arguments.dry_run
        )
    )


def _uninstall(arguments: argparse.Namespace) -> int:
    from mcp_server.hosts import claude_desktop

    return _told(claude_desktop.uninstall(name=arguments.name, config=arguments.config, dry_run=arguments.dry_run))


def _told(report: InstallReport) -> int:
    for line in report.warnings:
        print(f"warning: {line}", file=sys.stderr)
    print("\n".join(report.messages))
    return 0
