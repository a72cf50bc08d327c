"""Addresses in networks: IPv4 and IPv6."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from mcp_context_resources.redaction.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.redaction.finding import Legible

_V4: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z])(?!\.[0-9])")
_V6: Final = re.compile(
    r"(?<![0-9A-Za-z:.])(?=[0-9A-Fa-f:]{6})(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![0-9A-Za-z:])"
)
_VERSION: Final = re.compile(
    r"(?:(?<![A-Za-z])(?:version|ver\.?|release|section)|バージョン|版|第)[ :]*\Z", re.IGNORECASE
)

# A chapter may be numbered 3.2.1.4; an address has a larger part, or begins with 10.
_LARGEST_CHAPTER: Final = 31
_LEAST_GROUPS: Final = 3


class NetworkAddresses:
    """Finds addresses of machines; those that mean the machine itself, versions and chapters are left."""

    def find(self, page: Legible) -> Iterator[Finding]:
        """Find IPv4 and IPv6 addresses."""
        text = page.text
        if text.count(".") >= 3:
            for match in _V4.finditer(text):
                start, parts = match.start(), [int(part) for part in match[0].split(".")]
                if start and (text[start - 1] == "." or (text[start - 1].isascii() and text[start - 1].isalnum())):
                    continue
                if _is_v4(parts) and not _VERSION.search(text, max(0, start - 12), start):
                    yield Finding(*match.span(), "ip", ".".join(map(str, parts)))
        if text.count(":") >= 2:
            for match in _V6.finditer(text):
                if sum(map(bool, match[0].split(":"))) < _LEAST_GROUPS:
                    continue
                try:
                    address = ipaddress.IPv6Address(match[0])
                except ValueError:
                    continue
                yield Finding(*match.span(), "ip", address.compressed)


def _is_v4(parts: list[int]) -> bool:
    if max(parts) > 255 or parts[0] in (0, 127):
        return False
    return parts[0] == 10 or (max(parts) > _LARGEST_CHAPTER and parts != [255, 255, 255, 255])
