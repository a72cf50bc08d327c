"""Preflight of the configuration: what can be told of it before the library that checks it is imported.

The layers are those of `mcp_server.cli.configuration`: command line over environment over file. Whatever is in
doubt here is left to that module; nothing is ever answered on a guess.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection, Mapping

    from mcp_server.front_door.answers import Manifest

ENVIRONMENT_PREFIX: Final = "FRESH_CONTEXT_"
CONFIG_VARIABLE: Final = ENVIRONMENT_PREFIX + "CONFIG"
FILE_NAME: Final = "fresh-context.toml"
TOOLS_KEY: Final = "server.tools"

_APPLICATION: Final = "fresh-context"
_ROOTS: Final = "workspace.roots"

FLAGS: Final = {
    "folders": _ROOTS,
    "model": "models.files",
    "lora": "models.loras",
    "gpu_layers": "models.gpu_layers",
    "ignore": "workspace.ignore",
    "redact": "redaction.enabled",
    "log_level": "server.log_level",
    "log_format": "server.log_format",
}
"""What the flags of `serve` set, by the parser's names for them; `--tools` is a list in one text and not among them."""

HTTP_FLAGS: Final = {
    "http": "http.address",
    "tls_certificate": "http.tls_certificate",
    "tls_key": "http.tls_key",
}
"""What those flags set that only serving over HTTP knows."""

_NO_SETTING: Final = frozenset({"run", "config", "set", "tools"})
# What is looked at here, and what the parser of the command line has judged.
_CHECKED: Final = frozenset({_ROOTS, TOOLS_KEY})
_JUDGED: Final = {"log_level": "server.log_level", "log_format": "server.log_format"}


class Preflight(NamedTuple):
    """What was seen: `keys` of all settings given, the `tools` chosen, and whether nothing at all can be wrong."""

    keys: frozenset[str]
    tools: tuple[str, ...]
    certain: bool


class _DoubtError(Exception):
    """Something that only the real reading of the configuration can judge."""


def preflight(
    arguments: argparse.Namespace,
    environ: Mapping[str, str],
    manifest: Manifest,
    user_folder: Callable[[], Path],
) -> Preflight | None:
    """Look at all layers of the configuration of `serve`; None when anything is in doubt or plainly wrong.

    `user_folder` tells where the user's own file would be; it is asked only when no file is named.
    """
    try:
        values = _layers(arguments, environ, manifest.settings, user_folder)
        roots, tools = _list(values.get(_ROOTS, [])), tuple(_list(values.get(TOOLS_KEY, [])))
        if not roots or not all(Path(root).expanduser().is_dir() for root in roots):
            return None
    except (_DoubtError, OSError, ValueError, RuntimeError):
        return None
    if not manifest.settings.keys() >= values.keys() or not manifest.tools >= set(tools):
        return None
    judged = {key for name, key in _JUDGED.items() if getattr(arguments, name)}
    return Preflight(frozenset(values), tools, values.keys() <= _CHECKED | judged)


def usual_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the user's configuration folder where that is simple to tell, as platformdirs does."""
    if sys.platform not in ("linux", "darwin") or {"XDG_CONFIG_HOME", "ANDROID_DATA"} & environ.keys():
        return None
    settings = "~/Library/Application Support" if sys.platform == "darwin" else "~/.config"
    return Path(settings).expanduser() / _APPLICATION


def _layers(
    arguments: argparse.Namespace,
    environ: Mapping[str, str],
    known: Collection[str],
    user_folder: Callable[[], Path],
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    named = arguments.config or (environ.get(CONFIG_VARIABLE) or None)
    path = (usual_folder(environ) or user_folder()) / FILE_NAME if named is None else Path(named)
    if path.is_file():
        values |= _from_file(path)
    elif named is not None:
        raise _DoubtError
    by_variable = {ENVIRONMENT_PREFIX + key.replace(".", "_").upper(): key for key in known}
    for variable, text in environ.items():
        if variable.startswith(ENVIRONMENT_PREFIX) and variable != CONFIG_VARIABLE:
            if variable not in by_variable:
                raise _DoubtError
            values[by_variable[variable]] = text
    return values | _from_flags(arguments)


def _from_file(path: Path) -> dict[str, Any]:
    import tomllib  # most have no file

    values: dict[str, Any] = {}
    for section, keys in tomllib.loads(path.read_text(encoding="utf-8-sig")).items():
        if not isinstance(keys, dict):
            raise _DoubtError
        values |= {f"{section}.{name}": value for name, value in keys.items()}
    if _ROOTS in values:
        values[_ROOTS] = [str(path.parent / Path(root).expanduser()) for root in _list(values[_ROOTS], split=False)]
    if TOOLS_KEY in values:
        values[TOOLS_KEY] = _list(values[TOOLS_KEY], split=False)
    return values


def _from_flags(arguments: argparse.Namespace) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for assignment in arguments.set:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise _DoubtError
        values[key.strip()] = value
    for name, value in vars(arguments).items():
        if name in _NO_SETTING or value is None or value is False or value == []:
            continue
        if name not in FLAGS:
            raise _DoubtError
        values[FLAGS[name]] = value
    if arguments.tools:
        values[TOOLS_KEY] = [name.strip() for name in arguments.tools.split(",") if name.strip()]
    return values


def _list(value: object, *, split: bool = True) -> list[str]:
    if isinstance(value, str) and split:
        if not value.lstrip().startswith("["):
            return [part for part in value.split(os.pathsep) if part]
        value = json.loads(value)
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise _DoubtError
    return value
