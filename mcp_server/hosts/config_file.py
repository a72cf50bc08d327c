"""Edit the JSON file in which an MCP host lists its servers, and lose nothing else in it.

Several hosts (Claude Desktop, Claude Code, Cursor) keep their servers in an object named `mcpServers`; this
module serves them all. The file belongs to the user and to a host that may be running, so an edit keeps every
other key in its order, replaces the file in one step, and leaves the previous bytes beside it.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import math
import os
import re
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mcp_context_resources.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SERVERS_KEY = "mcpServers"

# Such files hold the API keys of other servers, so one we create is its owner's alone.
_NEW_FILE_MODE = 0o600

_BETWEEN_MEMBERS = re.compile(r"[\s,:]*")

_REPAIR_HINT = (
    "Nothing was written. Repair the file (JSON has no comments and no trailing commas), then run this again."
)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A host's configuration as read: `content` is the file's bytes, None where there is no file yet."""

    path: Path
    content: bytes | None
    config: dict[str, object]


@dataclass(frozen=True, slots=True)
class Edit:
    """What became of one server's entry.

    `changed` says whether the file changed (in a dry run: would change), `previous` is the entry that stood under
    the name before, None where there was none, and `backup` the copy of the previous file, None where none was made.
    """

    path: Path
    changed: bool
    previous: object
    backup: Path | None


def load(path: Path) -> ConfigFile:
    """Read a host's configuration; a missing or blank file is an empty one.

    Raises `ConfigurationError`, naming file, line and column, where the file is not UTF-8 JSON, not an object, or
    its `mcpServers` is not an object; also where it can't be read or editing it would lose something.
    """
    with _file_errors("read", path):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return ConfigFile(path, None, {})
    return ConfigFile(path, content, _parse(path, content))


def servers_of(config: Mapping[str, object]) -> dict[str, object]:
    """Return the servers a configuration lists, by name.

    Raises `ConfigurationError` where `mcpServers` is not an object.
    """
    servers = config.get(SERVERS_KEY, {})
    if not isinstance(servers, dict):
        raise ConfigurationError(f'"{SERVERS_KEY}" is not an object.', _REPAIR_HINT)
    return servers


def with_server(config: Mapping[str, object], name: str, entry: Mapping[str, object]) -> dict[str, object]:
    """Return the configuration with `entry` under `name`: in place of one of that name, else after the others."""
    return {**config, SERVERS_KEY: {**servers_of(config), name: dict(entry)}}


def without_server(config: Mapping[str, object], name: str) -> dict[str, object]:
    """Return the configuration without the server `name`, and without `mcpServers` if that was its last one."""
    servers = servers_of(config)
    if name not in servers:
        return dict(config)
    remaining = {other: entry for other, entry in servers.items() if other != name}
    if remaining:
        return {**config, SERVERS_KEY: remaining}
    return {key: value for key, value in config.items() if key != SERVERS_KEY}


def render(config: Mapping[str, object]) -> str:
    """Return the configuration as the text of a file: two spaces of indent, characters as they are, a last newline."""
    return json.dumps(config, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def set_server(
    path: Path, name: str, entry: Mapping[str, object], *, dry_run: bool = False, now: datetime | None = None
) -> Edit:
    """Put `entry` under `name` in the file at `path`; where it stands there already, write nothing.

    `now` dates the back-up (the current time unless given). Raises `ConfigurationError` as `load` and `save` do.
    """
    file = load(path)
    return _apply(file, name, with_server(file.config, name, entry), dry_run=dry_run, now=now)


def remove_server(path: Path, name: str, *, dry_run: bool = False, now: datetime | None = None) -> Edit:
    """Take the server `name` out of the file at `path`; where it isn't there, write nothing.

    `now` dates the back-up (the current time unless given). Raises `ConfigurationError` as `load` and `save` do.
    """
    file = load(path)
    return _apply(file, name, without_server(file.config, name), dry_run=dry_run, now=now)


def save(file: ConfigFile, config: Mapping[str, object], *, now: datetime | None = None) -> Path | None:
    """Replace the file that was loaded by `config` in one step and return the back-up of its previous content.

    A symbolic link stays one and its target is replaced; the file's mode is kept. Raises `ConfigurationError` where
    the file changed since it was loaded or can't be written.
    """
    # A lone surrogate is legal in JSON as an escape, but not in UTF-8: this handler writes it as just that escape.
    content = render(config).encode("utf-8", errors="backslashreplace")
    with _file_errors("write", file.path):
        target = Path(os.path.realpath(file.path))
        _refuse_if_changed(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = _NEW_FILE_MODE if file.content is None else stat.S_IMODE(target.stat().st_mode)
        backup = None if file.content is None else _back_up(file.path, file.content, mode, now)
        _replace(target, content, mode)
    return backup


def _apply(file: ConfigFile, name: str, config: dict[str, object], *, dry_run: bool, now: datetime | None) -> Edit:
    changed = config != file.config
    backup = save(file, config, now=now) if changed and not dry_run else None
    return Edit(path=file.path, changed=changed, previous=servers_of(file.config).get(name), backup=backup)


def _parse(path: Path, content: bytes) -> dict[str, object]:
    try:
        return _decode(content)
    except json.JSONDecodeError as error:
        place = f"{path}, line {error.lineno}, column {error.colno}"
        raise ConfigurationError(f"{place}: {error.msg}.", _REPAIR_HINT) from error
    except RecursionError as error:
        raise ConfigurationError(f"{path} is nested too deeply to be edited.", _REPAIR_HINT) from error
    except ValueError as error:
        raise ConfigurationError(f"{path} can't be edited without loss: {error}.", _REPAIR_HINT) from error


def _decode(content: bytes) -> dict[str, object]:
    text = _text(content.removeprefix(codecs.BOM_UTF8))
    if not text.strip():
        return {}
    config = json.loads(
        text, object_pairs_hook=_unique_keys, parse_float=_finite_number, parse_constant=_refuse_constant
    )
    if not isinstance(config, dict):
        start = len(text) - len(text.lstrip())
        raise json.JSONDecodeError("the file is not a JSON object", text, start)
    if not isinstance(config.get(SERVERS_KEY, {}), dict):
        raise json.JSONDecodeError(f'"{SERVERS_KEY}" is not an object', text, _value_position(text, SERVERS_KEY))
    return config


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        raise json.JSONDecodeError("the file is not UTF-8 text", before, len(before)) from error


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse an object with one key twice: the first value would vanish when the file is written."""
    members = dict(pairs)
    if len(members) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f'the key "{repeated}" appears twice in one object')
    return members


def _finite_number(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError(f"the number {literal} is out of range")
    return number


def _refuse_constant(literal: str) -> NoReturn:
    raise ValueError(f"{literal} is not JSON")


def _value_position(text: str, key: str) -> int:
    """Return where the value of a top-level key begins, in text known to be one JSON object with that key."""
    read = json.JSONDecoder().raw_decode

    def skip(position: int) -> int:
        match = _BETWEEN_MEMBERS.match(text, position)
        return match.end() if match else position

    name, position = read(text, skip(text.index("{") + 1))
    while name != key:
        _, position = read(text, skip(position))
        name, position = read(text, skip(position))
    return skip(position)


def _refuse_if_changed(file: ConfigFile) -> None:
    """Refuse to write over what the host, which keeps its own settings in the same file, wrote in the meantime."""
    current = file.path.read_bytes() if file.path.exists() else None
    if current != file.content:
        raise ConfigurationError(
            f"{file.path} was changed by another program just now.", "Nothing was written. Run this again."
        )


def _back_up(path: Path, content: bytes, mode: int, now: datetime | None) -> Path:
    taken = now or datetime.now().astimezone()
    return _create(path.with_name(f"{path.name}.backup-{taken:%Y%m%d-%H%M%S}"), content, mode)


def _replace(target: Path, content: bytes, mode: int) -> None:
    temporary = _create(target.with_name(f".{target.name}.new"), content, mode)
    try:
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _create(path: Path, content: bytes, mode: int) -> Path:
    """Write a file that did not exist, at `path` or the first free `path-1`, `path-2`, …, and return where."""
    candidate, attempt = path, 0
    while True:
        try:
            stream = open(candidate, "xb", opener=_open_private)  # noqa: SIM115 - closed by the `with` below
            break
        except FileExistsError:
            attempt += 1
            candidate = path.with_name(f"{path.name}-{attempt}")
    try:
        with stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        candidate.chmod(mode)
    except BaseException:
        candidate.unlink(missing_ok=True)
        raise
    return candidate


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, _NEW_FILE_MODE)


@contextlib.contextmanager
def _file_errors(verb: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(
            f"Can't {verb} {path}: {reason}.", "Check the path and its permissions, or name another file with --config."
        ) from error
