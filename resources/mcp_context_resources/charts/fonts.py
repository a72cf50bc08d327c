"""Where the fonts are that a chart is drawn with."""

from __future__ import annotations

import importlib.util
from typing import Final

_FONT_PACKAGES: Final = ("noto_cjk_sans_jp_regular", "noto_cjk_sans_jp_bold")

SYSTEM_FONT_FOLDERS: Final = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/etc/fonts",
    "/run/current-system/sw/share",
)
"""Where Linux keeps fonts; other systems don't fence off folders."""

FONT_FAMILY: Final = (
    "Noto Sans CJK JP, Noto Sans JP, Hiragino Sans, Yu Gothic, Meiryo, BIZ UDPGothic, IPAexGothic, Noto Sans, "
    "DejaVu Sans, Arial, sans-serif"
)
"""The first of these that is there draws a chart's text; all but the last three draw Japanese."""


def font_folders() -> tuple[str, ...]:
    """Return the folders of the installed font packages, without importing them; none when they aren't installed."""
    found = (importlib.util.find_spec(name) for name in _FONT_PACKAGES)
    return tuple(folder for spec in found if spec for folder in spec.submodule_search_locations or ())
