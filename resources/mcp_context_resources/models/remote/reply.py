"""Reply: an answer as it grows out of a server's stream, bounded whatever the server does, its thinking apart."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from mcp_context_resources.models.remote.failures import Refused, message_of, one_line
from mcp_context_resources.models.remote.token_estimate import other_characters, tokens_by_counts, tokens_by_length

if TYPE_CHECKING:
    from mcp_context_resources.models.remote.client import ServerClient

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


_CHARS_A_TOKEN: Final = 64
_SPARE_CHARS: Final = 16_384
_MAX_TOKENS_TOLD: Final = 1 << 32
_MAX_CHANCES: Final = 64
_MAX_PLACES: Final = 1024
_MAX_TOKEN_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class TokenChances:
    """A token of an answer and what might have stood in its place: bytes and natural logarithms of probabilities."""

    token: bytes
    logprob: float
    others: tuple[tuple[bytes, float], ...]


@dataclass(slots=True)
class Reply:
    """One answer, complete when `finish` is there. What a server doesn't tell is None."""

    max_tokens: int
    pieces: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    chances: list[TokenChances] = field(default_factory=list)
    finish: Literal["stop", "length"] | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    held_tokens: int = 0
    chars: int = 0
    others: int = 0
    first_at: float | None = None

    def clear(self) -> None:
        """Begin anew, for another request."""
        self.become(Reply(self.max_tokens))

    def become(self, other: Reply) -> None:
        """Take over all that another reply holds."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))

    @property
    def steps(self) -> int:
        """How many pieces came: tokens, where the server sends each on its own."""
        return len(self.pieces) + len(self.thoughts)

    @property
    def too_much(self) -> bool:
        """Whether the server sends more than `max_tokens`, which it was told."""
        if self.chars > _CHARS_A_TOKEN * self.max_tokens + _SPARE_CHARS:
            return True
        if self.steps <= self.max_tokens:
            return False
        # A server that sends letter by letter has more pieces than tokens.
        return tokens_by_counts(self.chars, self.others) > self.max_tokens

    def split(self) -> tuple[str, int]:
        """Return the answer without thinking, and the tokens of the thinking."""
        answer, thinking = split_thinking("".join(self.pieces))
        thought = self.reasoning_tokens or tokens_by_length("".join(self.thoughts) + thinking)
        return answer, thought

    def tokens(self) -> int:
        """Return the tokens generated, thinking included: as told, else as counted."""
        if self.completion_tokens is not None:
            return self.completion_tokens
        if self.finish is None or self.steps > 1:
            return min(self.steps, self.max_tokens)
        return tokens_by_counts(self.chars, self.others)

    def take(self, client: ServerClient, data: str) -> None:
        """Add one event of the stream.

        Raises `Refused` for an error in it, `ModelUnavailableError` for anything that isn't of the protocol.
        """
        try:
            event = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise client.not_understood("an event that is no valid JSON") from error
        self.take_event(client, event, "delta")

    def take_event(self, client: ServerClient, event: Any, part: Literal["delta", "message"]) -> None:
        """Add a decoded event (`delta`) or a whole answer (`message`). Raises as `take` does."""
        if isinstance(event, dict) and event.get("error"):
            raise Refused(0, one_line(client.server, message_of(event)))
        if not isinstance(event, dict) or (part == "message" and not event.get("choices")):
            raise client.not_understood("something that is no chat completion")
        self._take_counts(event)
        choices = event.get("choices")
        if not choices:  # the last event has the counts only
            return
        choice = choices[0] if isinstance(choices, list) else None
        content = choice.get(part) if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(content, dict | None):
            raise client.not_understood("a chat completion of another form")
        self._take_text(client, content or {})
        self._take_chances(choice.get("logprobs"))
        reason = choice.get("finish_reason")
        if reason is not None:
            self.finish = "length" if reason == "length" else "stop"

    def _take_text(self, client: ServerClient, content: dict[str, Any]) -> None:
        thought = "reasoning_content" if "reasoning_content" in content else "reasoning"  # servers have either, or both
        for name, pieces in ((thought, self.thoughts), ("content", self.pieces)):
            text = content.get(name)
            if not isinstance(text, str | None):
                raise client.not_understood(f"a chat completion whose {name} is no text")
            if text:
                pieces.append(text)
                self.chars += len(text)
                self.others += other_characters(text)

    def _take_counts(self, event: dict[str, Any]) -> None:
        usage = event.get("usage")
        if isinstance(usage, dict):
            self.prompt_tokens = _count(usage.get("prompt_tokens"), self.prompt_tokens)
            self.completion_tokens = _count(usage.get("completion_tokens"), self.completion_tokens)
            self.reasoning_tokens = _count(
                _inner(usage, "completion_tokens_details", "reasoning_tokens"), self.reasoning_tokens
            )
            self.held_tokens = _count(_inner(usage, "prompt_tokens_details", "cached_tokens"), None) or self.held_tokens
        self.held_tokens = _count(_inner(event, "timings", "cache_n"), None) or self.held_tokens

    def _take_chances(self, logprobs: Any) -> None:
        entries = logprobs.get("content") if isinstance(logprobs, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            chance = _chance(entry)
            if chance is None or len(self.chances) >= _MAX_PLACES:
                continue
            tops = entry.get("top_logprobs")
            others = (_chance(top) for top in (tops[:_MAX_CHANCES] if isinstance(tops, list) else []))
            self.chances.append(TokenChances(*chance, tuple(other for other in others if other is not None)))


def _inner(holder: dict[str, Any], name: str, key: str) -> Any:
    inner = holder.get(name)
    return inner.get(key) if isinstance(inner, dict) else None


def _count(value: Any, otherwise: int | None) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_TOKENS_TOLD:
        return value
    return otherwise


def _chance(entry: Any) -> tuple[bytes, float] | None:
    if not isinstance(entry, dict):
        return None
    token, raw, logprob = entry.get("token"), entry.get("bytes"), entry.get("logprob")
    if (
        not isinstance(token, str)
        or len(token) > _MAX_TOKEN_BYTES
        or not isinstance(logprob, int | float)
        or math.isnan(logprob)
    ):
        return None
    # A token that is a part of a character only its bytes can tell.
    if (
        isinstance(raw, list)
        and len(raw) <= _MAX_TOKEN_BYTES
        and all(isinstance(byte, int) and 0 <= byte < 256 for byte in raw)
    ):
        return bytes(raw), min(float(logprob), 0.0)
    return token.encode(errors="replace"), min(float(logprob), 0.0)
