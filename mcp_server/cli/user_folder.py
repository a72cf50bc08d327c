"""User folder: where a person's settings are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def user_folder() -> Path:
    """Return the folder of the user's configuration; it need not exist."""
    import platformdirs

    return platformdirs.user_config_path("fresh-context", appauthor=False)
