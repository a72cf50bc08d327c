"""The secret behind the marks around rows' texts: made once, kept beside the mapped tables."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import Final

_NAME: Final = "marks.key"
# Named like what the cache removes when a killed server left it.
_UNFINISHED: Final = ".new-"
_BYTES: Final = 32


def quotation_key(folder: Path) -> bytes:
    """Return the secret kept in a folder of the cache; a new one where there is none, or none can be kept.

    It blocks.
    """
    path = folder / _NAME
    if (known := _kept(path)) is not None:
        return known
    made = secrets.token_bytes(_BYTES)
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=_UNFINISHED, dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(made)
        Path(temporary).replace(path)
    return made


def _kept(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            known = file.read(_BYTES + 1)
        os.utime(path)  # so that the cache removes others before it
    except OSError:
        return None
    return known if len(known) == _BYTES else None
