"""Bearer token of a machine: made on first use, in a file that only its owner can read, printed by a command."""

from __future__ import annotations

import os
import secrets
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import ConfigurationError
from mcp_server.cli.user_folder import user_folder
from mcp_server.http.authentication import MIN_TOKEN_CHARS, is_token

if TYPE_CHECKING:
    from mcp_server.http.settings import HttpSettings

_NAME: Final = "http-token"
_BYTES: Final = 32
_MAX_FILE_BYTES: Final = 4096


def token_path(given: Path | None) -> Path:
    """Return where the token is kept: the file `given`, else one in the user's configuration folder."""
    if given is not None:
        return given.expanduser().absolute()
    return user_folder() / _NAME


def kept_token(path: Path) -> str:
    """Return the token in a file, which is made with a new one if it isn't there.

    Raises `ConfigurationError` for a file that others may read, that holds no token or that can't be made.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ConfigurationError(
            f"The token file {path} can't be read: {error.strerror}.", "Check its owner."
        ) from error
    _write(path, replace=False)
    return _read(path)


def renewed_token(path: Path) -> str:
    """Put a new token into a file in place of any old one, which is worthless once servers were started anew.

    Raises `ConfigurationError` for a file that can't be made.
    """
    _write(path, replace=True)
    return _read(path)


def _read(path: Path) -> str:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        content = file.read(_MAX_FILE_BYTES + 1)
    if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(f"Others than you can read the token file {path}.", f"Run: chmod 600 {path}")
    token = content.decode("ascii", errors="replace").strip()
    if not is_token(token) or len(content) > _MAX_FILE_BYTES:
        raise ConfigurationError(
            f"The file {path} holds no token of {MIN_TOKEN_CHARS} printable characters or more.",
            "Delete it: a new one is made at the next start.",
        )
    return token


def _write(path: Path, *, replace: bool) -> None:
    """Put the file in place whole: servers that start at the same time all read the first one's token."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{_NAME}-", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(_BYTES) + "\n")
            if replace:
                temporary.replace(path)
            else:
                _keep_first(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The token file {path} can't be made: {error.strerror}.",
            "Name another with http.token_file, or give http.tokens.",
        ) from error


def _keep_first(temporary: Path, path: Path) -> None:
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not path.exists():
            temporary.replace(path)


def print_token(http: HttpSettings, *, renew: bool = False) -> int:
    """Write the token that clients send to standard output, made if there is none yet; returns the exit status.

    With `renew` a new one takes its place; servers that run must be started anew to know it.

    Raises `ConfigurationError`.
    """
    path = token_path(http.token_file)
    sys.stdout.write((renewed_token(path) if renew else kept_token(path)) + "\n")
    sys.stderr.write(f"It is kept in {path}. Clients send it as: Authorization: Bearer TOKEN\n")
    return 0
