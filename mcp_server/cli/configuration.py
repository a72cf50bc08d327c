"""Configuration: command line over environment over `fresh-context.toml` over defaults."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr, ValidationError

from mcp_context_resources.errors import ConfigurationError
from mcp_server.front_door.preflight_config import CONFIG_VARIABLE, ENVIRONMENT_PREFIX, FILE_NAME
from mcp_server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings in force, and where each value that isn't a default came from (`workspace.roots` → …)."""

    settings: Settings
    origins: dict[str, str]


def known_keys() -> dict[str, FieldInfo]:
    """Return every setting by its dotted key, in order of declaration."""
    return {
        f"{section}.{name}": field
        for section, info in Settings.model_fields.items()
        if isinstance(info.annotation, type)
        for name, field in info.annotation.model_fields.items()
    }


def load(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    config_file: Path | None = None,
    user_folder: Path | None = None,
) -> Configuration:
    """Merge all sources of settings.

    `flags` maps dotted keys to values and wins over all. The file is `config_file`, else `$FRESH_CONTEXT_CONFIG`,
    else `fresh-context.toml` in the user's configuration folder. The working folder is not looked at: hosts start
    servers in folders of strangers.

    Raises `ConfigurationError` for an unknown key (naming the nearest known one), a bad value or a bad file.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    path = _find_file(config_file, environ, user_folder)
    layers: list[tuple[str, Mapping[str, Any]]] = []
    if path is not None:
        layers.append((str(path), _from_file(path)))
    layers.append(("environment", _from_environment(environ)))
    layers.append(("command line", flags))
    for origin, layer in layers:
        for key, value in layer.items():
            values[key] = value
            origins[key] = origin
    return Configuration(_validated(values, origins), origins)


def variable_name(key: str) -> str:
    """Return the environment variable of a dotted key: `tables.max_rows` → `FRESH_CONTEXT_TABLES_MAX_ROWS`."""
    return ENVIRONMENT_PREFIX + key.replace(".", "_").upper()


def parse_assignment(text: str) -> tuple[str, Any]:
    """Read `section.name=value` as given with `--set`; lists are separated as in PATH or JSON.

    Raises `ConfigurationError` for an unknown key or a missing `=`.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals:
        raise ConfigurationError(f"{text!r} sets nothing.", "Write --set section.name=value.")
    if key not in known_keys():
        raise _unknown(key, "--set")
    return key, _split(value) if _is_list(known_keys()[key]) else value


def _validated(values: Mapping[str, Any], origins: Mapping[str, str]) -> Settings:
    nested: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        nested.setdefault(section, {})[name] = value
    try:
        return Settings.model_validate(nested)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"][:2])
        raise ConfigurationError(
            f"The setting {key} (from {origins.get(key, 'default')}) is wrong: {first['msg']}.",
            "`fresh-context config show` lists all settings with their meaning.",
        ) from None  # the library's error holds the values, among them passwords


def _find_file(explicit: Path | None, environ: Mapping[str, str], user_folder: Path | None) -> Path | None:
    named = explicit or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    if named is not None:
        if not named.is_file():
            raise ConfigurationError(f"There is no configuration file {named}.", "Check --config or the variable.")
        return named
    usual = user_folder / FILE_NAME if user_folder is not None else None
    return usual if usual is not None and usual.is_file() else None


def _from_file(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}", "It must be TOML in UTF-8.") from error
    values: dict[str, Any] = {}
    for section, keys in content.items():
        if not isinstance(keys, dict):
            raise _unknown(section, str(path))
        for name, value in keys.items():
            key = f"{section}.{name}"
            if key not in known_keys():
                raise _unknown(key, str(path))
            values[key] = _anchored(key, value, path.parent)
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    by_variable = {variable_name(key): key for key in known_keys()}
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable == CONFIG_VARIABLE:
            continue
        if variable not in by_variable:
            near = difflib.get_close_matches(variable, by_variable, n=1, cutoff=0.4)
            raise ConfigurationError(
                f"The environment variable {variable} is not a setting.", f"Did you mean {near[0]}?" if near else ""
            )
        key = by_variable[variable]
        values[key] = _split(text) if _is_list(known_keys()[key]) else text
    return values


def _split(text: str) -> list[str]:
    """Read a list: JSON, or parts separated as in PATH."""
    if text.lstrip().startswith("["):
        try:
            parsed = json.loads(text)
        except ValueError as error:
            raise ConfigurationError(f"{text!r} is not a JSON list.", "Separate the parts as in PATH.") from error
        return [str(part) for part in parsed]
    return [part for part in text.split(os.pathsep) if part]


def _is_list(field: FieldInfo) -> bool:
    return getattr(field.annotation, "__origin__", None) is tuple


def _anchored(key: str, value: Any, folder: Path) -> Any:
    """Paths in a file are relative to the file, not to wherever the server was started."""
    if "Path" not in str(known_keys()[key].annotation):
        return value
    if isinstance(value, list):
        return [_anchored(key, part, folder) for part in value]
    return str(folder / Path(value).expanduser()) if isinstance(value, str) else value


def _unknown(key: str, origin: str) -> ConfigurationError:
    same = [known for known in known_keys() if known.endswith(f".{key}")]
    near = same or difflib.get_close_matches(key, known_keys(), n=1, cutoff=0.6)
    hint = "`fresh-context config show` (away from this file) lists all of them."
    if near:
        section, _, name = near[0].partition(".")
        hint = f"Did you mean {near[0]}? In a file it is `{name}` under `[{section}]`."
    return ConfigurationError(f"{key} in {origin} is not a setting.", hint)


def show(configuration: Configuration) -> str:
    """Write all settings as TOML, each with its meaning and where its value comes from."""
    lines: list[str] = []
    section = ""
    for key, field in known_keys().items():
        current, _, name = key.partition(".")
        if current != section:
            section = current
            lines += ["", f"[{section}]"]
        value = getattr(getattr(configuration.settings, current), name)
        origin = configuration.origins.get(key, "default")
        lines.append(f"# {field.description} ({origin}; {variable_name(key)})")
        if _is_secret(value):
            lines.append(f"# {name} is set, and not shown")
        else:
            lines.append(f"# {name} is not set" if value is None else f"{name} = {_toml(value)}")
    return "\n".join(lines).lstrip() + "\n"


def _is_secret(value: object) -> bool:
    return isinstance(value, tuple) and any(isinstance(part, SecretStr) for part in value)


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return json.dumps(str(value), ensure_ascii=False)
