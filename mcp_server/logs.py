"""Logs go to standard error: standard output may be the protocol's."""

from __future__ import annotations

import logging
import sys


def log_to_stderr(level: str) -> None:
    """Write log messages of this level and above to standard error."""
    logging.basicConfig(
        stream=sys.stderr, level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
