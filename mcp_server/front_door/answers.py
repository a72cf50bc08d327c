"""What can be answered from the manifest: only what is certain to be the live server's own answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mcp_server.front_door.messages import Message

MANIFEST: Final = Path(__file__).with_name("manifest.json")
VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY: Final = "io.modelcontextprotocol/clientCapabilities"
CLIENT_KEY: Final = "io.modelcontextprotocol/clientInfo"
_LEVEL_KEY: Final = "io.modelcontextprotocol/logLevel"

INITIALIZE: Final = "initialize"
DISCOVER: Final = "server/discover"
TOOLS: Final = "tools/list"


class Manifest:
    """The answers of a server with default settings, and which settings change which of them."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.version: str = content["version"]
        self.handshake_versions: tuple[str, ...] = tuple(content["handshake_versions"])
        self.modern_versions: tuple[str, ...] = tuple(content["modern_versions"])
        self.settings: dict[str, frozenset[str]] = {
            key: frozenset(methods) for key, methods in content["settings"].items()
        }
        self.unsupported: dict[str, Any] = content["unsupported"]
        self._results: dict[tuple[str, str], dict[str, Any]] = {
            (version, answer["method"]): answer["result"]
            for answer in content["answers"]
            for version in answer["versions"]
        }
        listed = self._results.get((self.handshake_versions[-1], TOOLS), {"tools": []})
        self.tools: frozenset[str] = frozenset(tool["name"] for tool in listed["tools"])

    @classmethod
    def read(cls, version: str, path: Path = MANIFEST) -> Manifest | None:
        """Read the manifest; None when it is missing, damaged or of another version of the server."""
        try:
            manifest = cls(json.loads(path.read_bytes()))
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return manifest if manifest.version == version else None

    def result(self, version: str, method: str) -> dict[str, Any] | None:
        """Return the result of a method at a protocol version, or None when it isn't known."""
        return self._results.get((version, method))


class Answers:
    """Answers requests as the live server would, for one configuration.

    `varying` are the methods whose answers the configuration changes beyond what the manifest tells; `tools` are the
    names of the tools to list, all when empty.
    """

    def __init__(self, manifest: Manifest, *, varying: Iterable[str] = (), tools: Sequence[str] = ()) -> None:
        self._manifest = manifest
        self._varying = frozenset(varying)
        self._tools = frozenset(tools)
        self._agreed: str | None = None

    def answer(self, message: Message) -> dict[str, Any] | None:
        """Return the `result` or `error` member of the answer to a request, or None to leave it to the live server."""
        if message.method in self._varying:
            return None
        if message.method == INITIALIZE:
            return self._initialize(message.params)
        if is_modern(message):
            return self._modern(message)
        if message.method == "ping" and _plain(message.params):
            return {"result": {}}
        if self._agreed is None or not _plain(message.params):
            return None
        return self._known(self._agreed, message.method)

    def _initialize(self, params: dict[str, Any]) -> dict[str, Any] | None:
        asked = params.get("protocolVersion")
        if not (isinstance(asked, str) and _client(params.get("clientInfo")) and _objects(params.get("capabilities"))):
            return None
        if not _meta(params.get("_meta", {})):
            return None
        versions = self._manifest.handshake_versions
        agreed = asked if asked in versions else versions[-1]
        if (known := self._known(agreed, INITIALIZE)) is not None:
            self._agreed = agreed
        return known

    def _modern(self, message: Message) -> dict[str, Any] | None:
        params = message.params
        meta = params["_meta"]
        asked = meta[VERSION_KEY]
        if not (isinstance(asked, str) and set(params) == {"_meta"} and _meta(meta) and CAPABILITIES_KEY in meta):
            return None
        if asked not in self._manifest.modern_versions:
            error = self._manifest.unsupported
            return {"error": {**error, "data": {**error["data"], "requested": asked}}}
        if not _objects(meta[CAPABILITIES_KEY]) or not (CLIENT_KEY not in meta or _client(meta[CLIENT_KEY])):
            return None
        return None if _LEVEL_KEY in meta else self._known(asked, message.method)

    def _known(self, version: str, method: str) -> dict[str, Any] | None:
        result = self._manifest.result(version, method)
        if result is None or method != TOOLS or not self._tools:
            return None if result is None else {"result": result}
        if "nextCursor" in result:
            return None
        return {"result": {**result, "tools": [tool for tool in result["tools"] if tool["name"] in self._tools]}}


def is_modern(message: Message) -> bool:
    """Tell whether a request speaks the protocol without a handshake: each then names its version."""
    meta = message.params.get("_meta")
    return message.method != INITIALIZE and isinstance(meta, dict) and VERSION_KEY in meta


def _plain(params: dict[str, Any]) -> bool:
    """Nothing asked for beyond the method itself."""
    return not params or (set(params) == {"_meta"} and _meta(params["_meta"]))


def _meta(meta: object) -> bool:
    token = meta.get("progressToken", 0) if isinstance(meta, dict) else None
    return isinstance(token, int | str) and not isinstance(token, bool)


def _objects(capabilities: object) -> bool:
    return isinstance(capabilities, dict) and all(isinstance(value, dict) for value in capabilities.values())


def _client(info: object) -> bool:
    if not isinstance(info, dict):
        return False
    known = (info.get("name"), info.get("version"), info.get("title", ""), info.get("websiteUrl", ""))
    return all(isinstance(value, str) for value in known)
