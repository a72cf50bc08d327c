"""Constrained decoding: llguidance tells which tokens may come next in a JSON text that follows a schema."""

from __future__ import annotations

import ctypes
import json
import re
from typing import TYPE_CHECKING, Any, Final

import llama_cpp
import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.models.llama.closed_schema import closed_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

_OPTIONS: Final[Any] = {
    "item_separator": ",",
    "key_separator": ":",
    "whitespace_pattern": " ",
    "whitespace_flexible": False,
    "coerce_one_of": True,
    "lenient": True,  # what it doesn't know is left to the validation of the answer
    "json_allowed_escapes": 'nrbtf\\"u',
    "json_allow_general_unicode_escapes": False,
}
_LIMITS: Final = LLParserLimits(max_items_in_row=20_000, max_lexer_states=50_000, verbose_errors=False)
_BRACKETS: Final = re.compile(rb"\s*[}\]][\s}\]]*")
_QUOTE: Final = re.compile(rb'"[\s}\]]*')
_DIGITS: Final = re.compile(rb"[0-9]*")
_CONTROL: Final = b"\xff<%d>"
_BACKSLASH: Final = ord("\\")
_QUOTATION: Final = ord('"')
_MOST_DIGITS: Final = 15  # integers of so many are exact in every reader of JSON
_EXPONENT_DIGITS: Final = 2
_UNSATISFIABLE: Final = re.compile(r"Unsatisfiable schema: (.+)")
_TOO_LARGE: Final = re.compile(r"too (large|big|complex|many)|\bfuel\b|\bmax is\b")


class JsonTokens:
    """The tokens of a llama.cpp vocabulary as a JSON text is written with them.

    `pieces` are what they stand for, nothing for control tokens; `ends` are those that end an answer.
    """

    def __init__(self, vocabulary: int, pieces: Sequence[bytes], ends: Sequence[int]) -> None:
        self.size = len(pieces)
        self.brackets = _those(pieces, _BRACKETS)
        self.quotes = _those(pieces, _QUOTE)
        self.digits = np.array([_leading_digits(piece) for piece in pieces], np.int32)
        # What llguidance.llamacpp does, but for its calls of what llama_cpp no longer wants called.
        self.native: LLTokenizer = LLTokenizer.from_llamacpp(  # type: ignore[attr-defined]
            tokens=[piece or _CONTROL % token for token, piece in enumerate(pieces)],
            vocab_ptr=vocabulary,
            tokenize_fptr=ctypes.cast(llama_cpp.llama_cpp._lib.llama_tokenize, ctypes.c_void_p).value,
            eos_token=list(ends),
        )


class Grammar:
    """The state of one JSON text that follows a schema."""

    def __init__(self, tokens: JsonTokens, text: str) -> None:
        self._tokens = tokens
        self._matcher = LLMatcher(tokens.native, text, log_level=0, limits=_LIMITS)
        self._raise_problem()
        self._in_string = self._escaped = False
        self._digits_left = _MOST_DIGITS

    def accept(self, token: int, piece: bytes) -> None:
        """Go on by one token, which must be allowed.

        Raises `InvalidInputError` where that takes too much.
        """
        if not self._matcher.consume_token(token):
            self._raise_problem()
        for byte in piece:
            if self._escaped:
                self._escaped = False
            elif byte == _BACKSLASH:
                self._escaped = self._in_string
            elif byte == _QUOTATION:
                self._in_string = not self._in_string
            self._count_digit(byte)

    @property
    def is_complete(self) -> bool:
        """Tell whether the text is whole and nothing can follow."""
        return self._matcher.is_stopped()

    def best(self, logits: npt.NDArray[np.float32], *, hurry: bool = False) -> int:
        """Return the likeliest token that is allowed next; in a hurry one that closes what is open, if any does.

        Raises `InvalidInputError` where none is, or to find one takes too much.
        """
        first = int(logits.argmax())
        if not hurry and self._is_short(first) and self._matcher.validate_tokens([first]):
            return first
        allowed = self._allowed(hurry=hurry)
        return int(allowed[logits[allowed].argmax()])

    def restrict(self, logits: npt.NDArray[np.float32], *, hurry: bool = False) -> None:
        """Take all tokens out of `logits` that are not allowed next; in a hurry those that close nothing, too.

        Raises `InvalidInputError` where none is left, or to find them takes too much.
        """
        allowed = self._allowed(hurry=hurry)
        kept = logits[allowed]
        logits[:] = -np.inf
        logits[allowed] = kept

    def _allowed(self, *, hurry: bool) -> npt.NDArray[np.intp]:
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        self._raise_problem()
        allowed = np.unpackbits(bits, count=self._tokens.size, bitorder="little").view(np.bool_)
        if hurry:
            closing = self._tokens.quotes if self._in_string else self._tokens.brackets
            if len(closing := closing[allowed[closing]]):
                return closing
        found = np.flatnonzero(allowed)
        if not len(found):
            raise InvalidInputError("The JSON schema leaves the model no way to go on.", "Loosen it.")
        if not self._in_string and len(short := found[self._tokens.digits[found] <= self._digits_left]):
            return short
        return found

    def _is_short(self, token: int) -> bool:
        return self._in_string or bool(self._tokens.digits[token] <= self._digits_left)

    def _count_digit(self, byte: int) -> None:
        """Keep numbers short: JSON lets them go on for ever."""
        if byte in b"0123456789":
            self._digits_left = max(0, self._digits_left - 1)
        elif byte in b"eE":
            self._digits_left = _EXPONENT_DIGITS
        elif byte not in b"+-":
            self._digits_left = _MOST_DIGITS

    def _raise_problem(self) -> None:
        problem = self._matcher.get_error() if self._matcher.is_error() else ""
        if not problem:
            return
        if found := _UNSATISFIABLE.search(problem):
            raise InvalidInputError(f"No value can follow the JSON schema: {found[1][:200]}.", "Correct it.")
        if _TOO_LARGE.search(problem):
            raise InvalidInputError(
                "The JSON schema puts too much together, or makes too large a grammar.",
                "Use fewer properties or choices.",
            )
        lines = problem.strip().splitlines()
        said = lines[-1] if lines[0].startswith("regex parse error") else lines[0]
        raise InvalidInputError(f"No model can be held to the JSON schema: {said[:200]}.", "Simplify it.")


class Grammars:
    """Makes grammars of schemas, each schema translated only once."""

    def __init__(self, tokens: Callable[[], JsonTokens]) -> None:
        self._tokens = tokens
        self._texts: dict[str, str] = {}

    def of(self, schema: dict[str, Any] | None) -> Grammar | None:
        """Return a fresh grammar for one text; None for no schema.

        Raises `InvalidInputError` for a schema that no value can follow, or that is too large or too involved.
        """
        if schema is None:
            return None
        key = json.dumps(schema)
        if key not in self._texts:
            text = json.dumps(closed_schema(schema))  # as text, since Python's integers have no bounds
            self._texts[key] = LLMatcher.grammar_from_json_schema(text, overrides=_OPTIONS)
        return Grammar(self._tokens(), self._texts[key])


def _those(pieces: Sequence[bytes], pattern: re.Pattern[bytes]) -> npt.NDArray[np.intp]:
    return np.array([token for token, piece in enumerate(pieces) if pattern.fullmatch(piece)], np.intp)


def _leading_digits(piece: bytes) -> int:
    found = _DIGITS.match(piece)
    return found.end() if found else 0
