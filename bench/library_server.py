"""A PDF library and nothing around it, answering on the wire of the bench: `python library_server.py NAME`.

It speaks as much of the protocol as the bench's client asks for, so that a library is timed the way a server is.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Reader = Callable[[str, Sequence[int]], list[str]]


def _pypdfium2() -> Reader:
    import pypdfium2

    def read(path: str, pages: Sequence[int]) -> list[str]:
        texts = []
        with closing(pypdfium2.PdfDocument(path)) as document:
            for number in pages:
                with closing(document[number - 1]) as page, closing(page.get_textpage()) as text:
                    texts.append(text.get_text_range())
        return texts

    return read


def _pypdf() -> Reader:
    import logging

    from pypdf import PdfReader

    logging.disable()

    def read(path: str, pages: Sequence[int]) -> list[str]:
        with PdfReader(path) as reader:
            return [reader.pages[number - 1].extract_text() for number in pages]

    return read


LIBRARIES: Final = {"pypdfium2": _pypdfium2, "pypdf": _pypdf}


def _result(read: Reader, message: dict[str, Any]) -> dict[str, Any]:
    if message["method"] != "tools/call":
        return {}
    arguments = message["params"]["arguments"]
    try:
        texts = read(arguments["path"], arguments["pages"])
    except Exception as error:  # noqa: BLE001 - a library may raise anything over a damaged file
        return {"isError": True, "content": [{"type": "text", "text": f"{type(error).__name__}: {error}"}]}
    return {"content": [{"type": "text", "text": text} for text in texts]}


def main(name: str) -> None:
    """Answer requests, one a line, until there are no more."""
    read = LIBRARIES[name]()
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "id" not in message:
            continue
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": _result(read, message)}
        # A library may return halves of characters, which no encoding has.
        told = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        sys.stdout.buffer.write(told + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
