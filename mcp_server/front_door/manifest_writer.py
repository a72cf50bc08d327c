"""Write the manifest from the live server: `python -m mcp_server.front_door.manifest_writer`. No part of serving."""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args, get_origin

import anyio
from mcp.server.runner import serve_dual_era_loop, serve_loop
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, ValidationError

from mcp_context_resources.errors import ConfigurationError
from mcp_server import __version__
from mcp_server.cli.configuration import known_keys
from mcp_server.front_door.answers import CAPABILITIES_KEY, DISCOVER, INITIALIZE, MANIFEST, VERSION_KEY
from mcp_server.server import create_server
from mcp_server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mcp.server.lowlevel.server import Server
    from pydantic.fields import FieldInfo

    from mcp_context_tools.tool import Services

LISTS: Final = ("tools/list", "prompts/list", "resources/templates/list")
"""Lists that are the same at any moment; `resources/list` is not."""

_LATEST: Final = (HANDSHAKE_PROTOCOL_VERSIONS[-1], MODERN_PROTOCOL_VERSIONS[-1])
_UNKNOWN_VERSION: Final = "9999-12-31"
_NUMBERS: Final = (1, 1_000, 2, 10, 64, 4_096, 1 << 20, 1 << 30, 0.25, 0.75)
_TRIED: Final = 2
"""Values tried of each setting that isn't a choice of a few."""


async def manifest() -> dict[str, Any]:
    """Ask a server of each configuration that matters what it answers, and return the content of the manifest."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = _server(folder, {})
        assert plain is not None  # noqa: S101 - the default settings serve any folder
        answers = await spoken(plain)
        return {
            "version": __version__,
            "handshake_versions": list(HANDSHAKE_PROTOCOL_VERSIONS),
            "modern_versions": list(MODERN_PROTOCOL_VERSIONS),
            "settings": {key: await _changed(folder, key, field, answers) for key, field in known_keys().items()},
            "unsupported": await _unsupported(plain),
            "answers": _grouped(answers),
        }


def text(content: dict[str, Any]) -> str:
    """Write the manifest's content as it is kept."""
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


async def spoken(
    server: Server[Services], versions: Sequence[str] = (*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS)
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what a server answers, by version and method; methods it doesn't serve are left out."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for version in versions:
        modern = version in MODERN_PROTOCOL_VERSIONS
        first = DISCOVER if modern else INITIALIZE
        answers = await _asked(server, [(method, _params(version, method)) for method in (first, *LISTS)])
        for method, answer in zip((first, *LISTS), answers, strict=True):
            if isinstance(answer, JSONRPCResponse):
                found[version, method] = answer.result
    return found


def _params(version: str, method: str) -> dict[str, Any]:
    client = {"name": "making", "version": "1"}
    if method == INITIALIZE:
        return {"protocolVersion": version, "capabilities": {}, "clientInfo": client}
    return {"_meta": {VERSION_KEY: version, CAPABILITIES_KEY: {}}} if version not in HANDSHAKE_PROTOCOL_VERSIONS else {}


async def _asked(
    server: Server[Services], requests: list[tuple[str, dict[str, Any]]]
) -> list[JSONRPCResponse | JSONRPCError]:
    """Put requests to the SDK as they come over a wire; no engine is needed for what never changes."""
    incoming, taken = anyio.create_memory_object_stream[SessionMessage | Exception]()
    said, outgoing = anyio.create_memory_object_stream[SessionMessage]()
    talk = serve_loop if requests[0][0] == INITIALIZE else serve_dual_era_loop
    answers: list[JSONRPCResponse | JSONRPCError] = []
    async with anyio.create_task_group() as group, outgoing:

        async def conversation() -> None:
            options = server.create_initialization_options()
            await talk(server, taken, said, lifespan_state=cast("Services", None), init_options=options)

        group.start_soon(conversation)
        async with incoming:
            for number, (method, params) in enumerate(requests):
                request = JSONRPCRequest(jsonrpc="2.0", id=number, method=method, params=params)
                await incoming.send(SessionMessage(request))
                answer = (await outgoing.receive()).message
                assert isinstance(answer, JSONRPCResponse | JSONRPCError)  # noqa: S101 - nothing else was asked for
                answers.append(answer)
                if method == INITIALIZE:
                    done = JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")
                    await incoming.send(SessionMessage(done))
    return answers


async def _unsupported(server: Server[Services]) -> dict[str, Any]:
    (answer,) = await _asked(server, [(DISCOVER, _params(_UNKNOWN_VERSION, DISCOVER))])
    assert isinstance(answer, JSONRPCError)  # noqa: S101 - no server knows this version
    return answer.error.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _grouped(answers: dict[tuple[str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep an answer that is the same at several versions once."""
    groups: list[dict[str, Any]] = []
    for (version, method), result in answers.items():
        same = (group for group in groups if (group["method"], group["result"]) == (method, result))
        if (group := next(same, None)) is not None:
            group["versions"].append(version)
        else:
            groups.append({"method": method, "versions": [version], "result": result})
    return groups


async def _changed(
    folder: Path, key: str, field: FieldInfo, answers: dict[tuple[str, str], dict[str, Any]]
) -> list[str]:
    """Tell which methods answer differently when a setting has another value; all, if none could be tried."""
    # What is served over HTTP passes no door; plugins say which files are read, and none need be installed here.
    if key.startswith("http.") or key.endswith(".plugins"):
        return []
    made = (_server(folder, {key: value}) for value in _values(folder, key, field))
    most = None if get_origin(field.annotation) is Literal else _TRIED
    servers = list(itertools.islice((server for server in made if server is not None), most))
    if not servers:
        return sorted({method for _, method in answers})
    changed: set[str] = set()
    for server in servers:
        now = await spoken(server, _LATEST)
        before = {place: result for place, result in answers.items() if place[0] in _LATEST}
        changed |= {place[1] for place in before.keys() | now.keys() if before.get(place) != now.get(place)}
    return sorted(changed)


def _server(folder: Path, values: dict[str, Any]) -> Server[Services] | None:
    """Make a server with these settings; None when they can't be."""
    nested: dict[str, dict[str, Any]] = {"workspace": {"roots": [str(folder)]}}
    for key, value in values.items():
        section, _, name = key.partition(".")
        nested.setdefault(section, {})[name] = value
    try:
        return create_server(Settings.model_validate(nested))
    except (ValidationError, ConfigurationError):
        return None


def _values(folder: Path, key: str, field: FieldInfo) -> Iterator[Any]:
    """Give values that differ from the default, of whatever type a setting has; not all need be valid."""
    default = field.get_default(call_default_factory=True)
    if key == "server.tools":
        yield ("list_sources",)
        return
    for kind in _kinds(field.annotation):
        for value in _of_kind(folder, kind):
            if value != default:
                yield value


def _kinds(annotation: Any) -> list[Any]:
    """Take a union apart."""
    parts = [part for part in get_args(annotation) if part is not NoneType]
    return [annotation] if get_origin(annotation) in (tuple, Literal, None) or not parts else parts


def _of_kind(folder: Path, kind: Any) -> list[Any]:
    file = folder / "file.gguf"
    file.touch()
    texts = ["example", "example.org", "https://example.org", "example.org=KEY", "cp932", str(file), str(folder)]
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    if get_origin(kind) is tuple:
        return [[value] for value in _of_kind(folder, get_args(kind)[0])]
    if kind is bool:
        return [True, False]
    if kind in (int, float):
        return list(_NUMBERS)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return []
    return texts


def main() -> int:
    """Write the manifest and return the exit status."""
    MANIFEST.write_text(text(anyio.run(manifest)), encoding="utf-8")
    sys.stderr.write(f"{MANIFEST} is written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
