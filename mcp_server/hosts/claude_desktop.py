"""Claude Desktop: install this server in it, and take it out again.

Claude Desktop starts a server with a minimal PATH and an unrelated working directory, so everything written here
is absolute.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_context_resources.errors import ConfigurationError
from mcp_server.hosts import config_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SERVER_NAME = "fresh-context"
CONFIG_NAME = "claude_desktop_config.json"

_SCRIPT_NAME = "fresh-context"
_EXAMPLE = "fresh-context install claude-desktop ~/Documents/reports"
_RESTART = "Quit Claude Desktop completely and start it again; closing its window is not enough."
_UV_CACHE = re.compile(r"[\\/](?:archive|environments|builds)-v\d+[\\/]")


@dataclass(frozen=True, slots=True)
class InstallReport:
    """What an installation or removal did.

    `changed` says whether the file changed (in a dry run: would change). `entry` is the entry installed or removed,
    None where there was none to remove. `messages` tell the user what happened and what to do next, `warnings` what
    may go wrong later.
    """

    path: Path
    changed: bool
    backup: Path | None
    entry: dict[str, object] | None
    messages: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def config_path(
    platform: str = sys.platform, environ: Mapping[str, str] = os.environ, home: Path | None = None
) -> Path:
    """Return where Claude Desktop keeps its configuration on `platform` (as in `sys.platform`)."""
    home = home or Path.home()
    if platform == "darwin":
        folder = home / "Library" / "Application Support" / "Claude"
    elif platform == "win32":
        folder = _windows_folder(environ, home)
    else:
        folder = _linux_folder(environ, home)
    return folder / CONFIG_NAME


def launch_command(python: str | None = None, scripts: Path | None = None) -> tuple[str, ...]:
    """Return the absolute command that starts this program from anywhere.

    That is the console script installed beside the interpreter, or the interpreter with `-m mcp_server` where there
    is none. `python` and `scripts` (the scripts folder) are those of the running interpreter unless given. Raises
    `ConfigurationError` where the interpreter is unknown.
    """
    python = sys.executable if python is None else python
    if not python:
        raise ConfigurationError(
            "The path of the Python interpreter is unknown.", f"Run the installed command: {_EXAMPLE}"
        )
    folder = Path(os.path.abspath(scripts or sysconfig.get_path("scripts")))
    for script in (folder / _SCRIPT_NAME, folder / f"{_SCRIPT_NAME}.exe"):
        if script.is_file() and os.access(script, os.X_OK):
            return (str(script),)
    # Made absolute but not resolved: behind its symbolic link, a virtual environment's interpreter is the system's.
    return os.path.abspath(python), "-m", "mcp_server"


def server_entry(
    roots: Sequence[str | Path], extra_args: Sequence[str] = (), *, launcher: Sequence[str] | None = None
) -> dict[str, object]:
    """Return the entry that serves `roots`: absolute command, `serve`, each folder's real path, then `extra_args`.

    A folder given twice is served once. `extra_args` are passed on as they are, so paths in them must be absolute.
    `launcher` is the command to start, that of `launch_command` unless given. Raises `ConfigurationError` where no
    root is given or one is not an existing folder.
    """
    if not roots:
        raise ConfigurationError("No folder to serve was given.", f"Name at least one, for example: {_EXAMPLE}")
    command, *prefix = launcher or launch_command()
    folders = dict.fromkeys(_real_folder(root) for root in roots)
    return {"command": command, "args": [*prefix, "serve", *folders, *extra_args], "env": {}}


def snippet(entry: Mapping[str, object], name: str = SERVER_NAME) -> str:
    """Return a whole configuration with this one server, as text to paste."""
    return config_file.render(config_file.with_server({}, name, entry))


def install(
    roots: Sequence[str | Path],
    *,
    name: str = SERVER_NAME,
    config: Path | None = None,
    extra_args: Sequence[str] = (),
    launcher: Sequence[str] | None = None,
    dry_run: bool = False,
) -> InstallReport:
    """Write the entry that serves `roots` under `name` into Claude Desktop's configuration.

    An entry of that name is replaced, everything else kept; where the same entry is there already, nothing is
    written. `config` is the file to edit, that of `config_path` unless given. Raises `ConfigurationError` as
    `server_entry` and `config_file.set_server` do.
    """
    name = _checked_name(name)
    entry = server_entry(roots, extra_args, launcher=launcher)
    path = _absolute(config)
    warnings = tuple(_warnings(entry, path))
    edit = config_file.set_server(path, name, entry, dry_run=dry_run)
    return InstallReport(
        path=path,
        changed=edit.changed,
        backup=edit.backup,
        entry=entry,
        messages=_install_messages(edit, name, dry_run=dry_run),
        warnings=warnings,
    )


def uninstall(*, name: str = SERVER_NAME, config: Path | None = None, dry_run: bool = False) -> InstallReport:
    """Take the server `name` out of Claude Desktop's configuration and keep everything else in it.

    Where it isn't there, nothing is written. `config` is the file to edit, that of `config_path` unless given.
    Raises `ConfigurationError` as `config_file.remove_server` does.
    """
    name = _checked_name(name)
    path = _absolute(config)
    edit = config_file.remove_server(path, name, dry_run=dry_run)
    return InstallReport(
        path=path,
        changed=edit.changed,
        backup=edit.backup,
        entry=edit.previous if isinstance(edit.previous, dict) else None,
        messages=_uninstall_messages(edit, name, dry_run=dry_run),
    )


def _windows_folder(environ: Mapping[str, str], home: Path) -> Path:
    """Return the folder of the packaged application where it has one, else the classic one.

    The packaged (MSIX) application sees a private copy of %APPDATA%, so a file in the real one would go unread.
    """
    local = Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    packaged = [path for path in local.glob("Packages/Claude_*/LocalCache/Roaming/Claude") if path.is_dir()]
    if packaged:
        return min(packaged, key=lambda folder: (not (folder / CONFIG_NAME).is_file(), folder))
    return Path(environ.get("APPDATA") or home / "AppData" / "Roaming") / "Claude"


def _linux_folder(environ: Mapping[str, str], home: Path) -> Path:
    configured = Path(environ.get("XDG_CONFIG_HOME", ""))
    # The XDG base directory specification has relative values ignored.
    return (configured if configured.is_absolute() else home / ".config") / "Claude"


def _real_folder(root: str | Path) -> str:
    hint = "Give the path of an existing folder."
    if not str(root).strip():
        raise ConfigurationError("A folder to serve is an empty string.", hint)
    try:
        folder = Path(root).expanduser().resolve(strict=True)
        str(folder).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"The name of the folder {str(root)!a} is not valid Unicode.", "Rename the folder."
        ) from error
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(f"The folder {root} does not exist or can't be opened.", hint) from error
    if not folder.is_dir():
        raise ConfigurationError(f"{root} is not a folder.", hint)
    return str(folder)


def _checked_name(name: str) -> str:
    if not name.strip():
        raise ConfigurationError("The server's name is empty.", f"Leave --name out to use {SERVER_NAME}.")
    return name


def _absolute(config: Path | None) -> Path:
    return config_path() if config is None else config.expanduser().absolute()


def _warnings(entry: Mapping[str, object], path: Path) -> Iterable[str]:
    if _UV_CACHE.search(str(entry["command"])):
        yield (
            f"{entry['command']} lies in uv's cache and stops working when that is cleaned. "
            "To keep it, run `uv tool install fresh-context` and then this command again."
        )
    if not path.parent.is_dir():
        yield f"{path.parent} did not exist: Claude Desktop may not be installed, or was never started."


def _install_messages(edit: config_file.Edit, name: str, *, dry_run: bool) -> tuple[str, ...]:
    if not edit.changed:
        return (f'{edit.path} already has this entry for "{name}": nothing to write.', _RESTART)
    done, planned, into = ("Added", "add", "to") if edit.previous is None else ("Replaced", "replace", "in")
    if dry_run:
        return (f'Would {planned} "{name}" {into} {edit.path}. Nothing was written.',)
    return (f'{done} "{name}" {into} {edit.path}.', *_backup_message(edit), _RESTART)


def _uninstall_messages(edit: config_file.Edit, name: str, *, dry_run: bool) -> tuple[str, ...]:
    if not edit.changed:
        return (f'{edit.path} has no server named "{name}": nothing to remove.',)
    if dry_run:
        return (f'Would remove "{name}" from {edit.path}. Nothing was written.',)
    return (f'Removed "{name}" from {edit.path}.', *_backup_message(edit), _RESTART)


def _backup_message(edit: config_file.Edit) -> Iterable[str]:
    if edit.backup is not None:
        yield f"The previous file is kept as {edit.backup}."
