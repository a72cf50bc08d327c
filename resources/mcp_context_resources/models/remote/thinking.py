"""Thinking: what a model thought aloud before its answer."""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = r"(?:think|thinking|thought|reasoning|seed:think)"
_OPENING: Final = re.compile(rf"\s*(?:<{_NAMES}>|\[THINK\])", re.IGNORECASE)
_CLOSING: Final = re.compile(rf"(?:</{_NAMES}>|\[/THINK\])", re.IGNORECASE)


def split_thinking(text: str) -> tuple[str, str]:
    """Return the answer and the thinking before it.

    A beginning without an end is all thinking. An end without a beginning closes what the chat template had opened.
    """
    answer, thoughts = text, []
    while (opening := _OPENING.match(answer)) is not None:
        closing = _CLOSING.search(answer, opening.end())
        thoughts.append(answer[opening.end() : closing.start() if closing else len(answer)])
        answer = answer[closing.end() :] if closing else ""
    if not thoughts and (closing := _CLOSING.search(answer)) is not None:
        thoughts.append(answer[: closing.start()])
        answer = answer[closing.end() :]
    return answer.strip(), "\n".join(thought.strip() for thought in thoughts)
