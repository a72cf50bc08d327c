"""Theme: how charts look where a specification doesn't say, colours, sizes, and fonts with where these are found."""

from __future__ import annotations

import importlib.util
import json
from typing import Final, Literal

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


Layout = Literal["single", "panels"]

# Okabe and Ito's colours, told apart with any colour vision; without their yellow, which is faint on white.
PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#555555", "#8C6D31")

_TEXT: Final = "#333333"
_QUIET: Final = "#666666"
_SIZES: Final = {"single": (520, 300), "panels": (220, 150)}


def theme(layout: Layout) -> str:
    """Return the Vega-Lite configuration of a chart, as JSON."""
    width, height = _SIZES[layout]
    return json.dumps(
        {
            "font": FONT_FAMILY,
            "background": "white",
            "padding": 14,
            "view": {
                "stroke": None,
                "continuousWidth": width,
                "continuousHeight": height,
                "discreteWidth": {"step": 26},
                "discreteHeight": {"step": 22},
            },
            "axis": {
                "labelColor": _TEXT,
                "titleColor": _TEXT,
                "labelFontSize": 12,
                "titleFontSize": 12,
                "titlePadding": 8,
                "labelLimit": 210,
                "titleLimit": 320 if layout == "single" else 200,
                "labelSeparation": 3,
                "maxExtent": 400,
                "gridColor": "#e8e8e8",
                "domainColor": "#999999",
                "tickColor": "#999999",
            },
            "axisXDiscrete": {"labelAngle": -40, "labelLimit": 130},
            "legend": {
                "labelColor": _TEXT,
                "titleColor": _TEXT,
                "labelFontSize": 12,
                "titleFontSize": 12,
                "labelLimit": 170,
                "titleLimit": 170,
                "symbolLimit": 24,
                "symbolOpacity": 1,
            },
            "header": {
                "labelColor": _TEXT,
                "titleColor": _TEXT,
                "labelFontSize": 12,
                "titleFontSize": 12,
                "labelLimit": width,
            },
            "title": {
                "anchor": "start",
                "frame": "bounds",
                "color": _TEXT,
                "fontSize": 16,
                "fontWeight": "bold",
                "subtitleColor": _QUIET,
                "subtitleFontSize": 12,
                "subtitlePadding": 5,
                "offset": 12,
            },
            "mark": {"color": PALETTE[0]},
            "line": {"strokeWidth": 2.2, "strokeJoin": "round", "strokeCap": "round"},
            "point": {"filled": True, "size": 36},
            "text": {"fontSize": 12, "color": _TEXT},
            "boxplot": {"size": 12, "median": {"color": "white", "strokeWidth": 2}},
            "range": {
                "category": list(PALETTE),
                "ramp": {"scheme": "blues"},
                "heatmap": {"scheme": "blues"},
                "diverging": {"scheme": "blueorange"},
            },
        },
        separators=(",", ":"),
    )
