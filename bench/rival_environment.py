"""Python environments of rivals: made once in the user's cache folder, apart from the project's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from bench.measure import BenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PYTHON: Final = Path("Scripts", "python.exe") if os.name == "nt" else Path("bin", "python")
_COMPLETE: Final = "complete"
_SECONDS: Final = 1_800.0


def installed(name: str, requirements: Sequence[str]) -> Path:
    """Return the Python of the environment `name`, made with these requirements if it isn't there.

    Raises `BenchError` when they can't be installed.
    """
    folder = Path(platformdirs.user_cache_path("fresh-context-bench")) / name
    python = folder / _PYTHON
    if (folder / _COMPLETE).exists() and python.exists():
        return python
    print(f"Installing {', '.join(requirements)} into {folder} (once) ...", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for command in (
            [sys.executable, "-m", "venv", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", *requirements],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise BenchError(f"{' and '.join(requirements)} could not be installed.") from error
    (folder / _COMPLETE).touch()
    return python
