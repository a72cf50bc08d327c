"""The README is a promise: what it shows is what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from mcp_context_resources.documents.reader import DOCUMENT_FORMATS
from mcp_context_resources.tables.reader import TABLE_FORMATS
from mcp_context_tools.catalogue import TOOLS
from mcp_context_tools.document_views.arguments import ReadDocumentInput
from mcp_context_tools.prompts.catalogue import PROMPTS
from mcp_server.resources.templates import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def tool_table() -> str:
    """Write the README's table of tools from the tools themselves."""
    lines = ["| tool | parameters | what it does |", "|---|---|---|"]
    for tool in TOOLS:
        parameters = ", ".join(f"`{name}`" for name in tool.input.model_fields)
        lines.append(f"| `{tool.name}` | {parameters} | {tool.description} |")
    return "\n".join(lines)


def prompt_table() -> str:
    """Write the README's table of prompts from the prompts themselves."""
    lines = ["| prompt | arguments | what it gives |", "|---|---|---|"]
    for prompt in PROMPTS:
        arguments = ", ".join(f"`{one.name}`" for one in prompt.arguments)
        lines.append(f"| `{prompt.name}` | {arguments} | {prompt.description} |")
    return "\n".join(lines)


def resource_table() -> str:
    """Write the README's table of resources from the templates themselves."""
    lines = ["| resource | what it is |", "|---|---|"]
    lines += [f"| `{template.uri_template}` | {template.description} |" for template in TEMPLATES]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("part", "made"), [("tools", tool_table), ("prompts", prompt_table), ("resources", resource_table)]
)
def test_tables_of_what_is_served_are_made_from_it(
    part: str, made: Callable[[], str], request: pytest.FixtureRequest
) -> None:
    begin, end = f"<!-- {part} -->\n", f"<!-- /{part} -->"
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    written, _, after = rest.partition(end)
    if request.config.getoption("--update-snapshots"):
        written = f"{made()}\n"
        README.write_text(f"{before}{begin}{written}{end}{after}", encoding="utf-8")
    assert written == f"{made()}\n", "run pytest --update-snapshots if the change is meant"


def test_every_file_the_readme_links_to_is_there() -> None:
    text = README.read_text(encoding="utf-8")
    links = [part.partition(")")[0] for part in text.split("](")[1:]]
    local = [link for link in links if not link.startswith("http")]
    assert local
    assert all((ROOT / link).is_file() for link in local)


def test_the_first_screen_holds_the_two_commands() -> None:
    first_screen = "\n".join(README.read_text(encoding="utf-8").splitlines()[:30])
    assert "\nuv run --all-extras fresh-context demo\n" in first_screen
    assert "\nuv run --all-extras pytest -q\n" in first_screen


def test_every_ending_of_a_table_file_is_named() -> None:
    named = set(re.findall(r"`(\.[a-z0-9]+)`", README.read_text(encoding="utf-8")))
    assert {f".{ending.split('.')[1]}" for ending in TABLE_FORMATS} - named == set()


def test_every_ending_of_a_document_and_every_view_is_named() -> None:
    documents = README.read_text(encoding="utf-8").partition("### Documents")[2].partition("### Answers")[0]
    named = set(re.findall(r"`(\.?[a-z0-9]+)`", documents))
    assert DOCUMENT_FORMATS.keys() - named == set()
    assert set(get_args(ReadDocumentInput.model_fields["view"].annotation)) - named == set()
