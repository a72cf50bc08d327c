"""Generating texts, several at once in one context.

What all prompts begin with is evaluated once, and each text continues a copy of it; a text that is done makes room for
the next. Sequence 0 holds that beginning (or, for a single text, all of it) until the next call.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from mcp_context_resources.errors import PromptTooLongError
from mcp_context_resources.models.llama.chat_format import without_thinking
from mcp_context_resources.models.llama.grammar import Grammars
from mcp_context_resources.models.llama.loaded_model import Aborted, Held
from mcp_context_resources.models.llama.sampling import Sampler
from mcp_context_resources.models.spec import Finish, Generated, Generation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.workers.job import Job

_ALONE: Final = 0
_LONGEST_CYCLE: Final = 32
_FEWEST_ROUNDS: Final = 4
_REPEATED_TOKENS: Final = 24


def common_beginning(texts: Sequence[list[int]]) -> int:
    """Count the tokens that all texts begin with alike, leaving each at least one of its own."""
    first, last = min(texts), max(texts)
    least = min(map(len, texts)) - 1
    return next((place for place in range(least) if first[place] != last[place]), max(least, 0))


def _repeated(made: Sequence[int]) -> int:
    """Count the tokens at the end that only say again what came before them, once a model goes round in circles."""
    if len(made) % 8:
        return 0
    for length in range(1, min(_LONGEST_CYCLE, len(made) // _FEWEST_ROUNDS) + 1):
        rounds = max(_FEWEST_ROUNDS, -(-_REPEATED_TOKENS // length))
        if rounds * length <= len(made) and all(
            made[-place] == made[-place - length] for place in range(1, (rounds - 1) * length + 1)
        ):
            return (rounds - 1) * length
    return 0


class Text:
    """One text on its way: the prompt's tokens, then those generated."""

    def __init__(self, number: int, request: Generation, prompt: str, tokens: list[int]) -> None:
        self.number = number
        self.request = request
        self.prompt = prompt
        self.tokens = tokens
        self.finish: Finish = "length"
        self.made: list[int] = []
        self.pieces: list[bytes] = []
        self.written = bytearray()
        self.sequence = _ALONE
        self.read = 0
        self.place: int | None = None
        self.began = 0.0
        self.sampler: Sampler | None = None

    @property
    def room(self) -> int:
        """How many cells of the context the text needs at most."""
        return len(self.tokens) + self.request.max_tokens

    def add(self, token: int, piece: bytes, stops: Sequence[str]) -> bool:
        """Take in a token; tells whether the text is complete."""
        self.made.append(token)
        self.pieces.append(piece)
        self.written += piece
        if self.request.json_schema is not None:  # its grammar alone ends it; what looks like a mark is a value
            if self.sampler is not None and self.sampler.is_complete:
                self.finish = "stop"
                return True
            return len(self.made) >= self.request.max_tokens
        if again := _repeated(self.made):
            del self.written[len(self.written) - len(b"".join(self.pieces[-again:])) :]
            self.finish = "repeating"
            return True
        tail = bytes(self.written[-64:])
        for stop in stops:
            mark = stop.encode()
            if mark in tail:
                del self.written[self.written.rindex(mark) :]
                self.finish = "stop"
                return True
        return len(self.made) >= self.request.max_tokens


class _Work:
    """All texts of one call."""

    def __init__(self, job: Job, held: Held, texts: list[Text], made: Grammars) -> None:
        self._job = job
        self._held = held
        self._grammars = made
        self._waiting = deque(texts)
        self._active: list[Text] = []
        self._free = list(range(min(held.spec.sequences, len(texts)), 0, -1))
        self._cells = 0
        self._shared = 0
        self.held_tokens = 0
        self.prompt_seconds = 0.0
        self._total = sum(text.room for text in texts)
        self._done = 0

    def run(self) -> None:
        started = time.perf_counter()
        alone = len(self._waiting) == 1
        beginning = self._waiting[0].tokens
        self._shared = len(beginning) - 1 if alone else common_beginning([text.tokens for text in self._waiting])
        self.held_tokens = self._held.read(
            self._job, beginning[: self._shared], lambda done: self._job.progress(done, self._total)
        )
        if alone:
            self.prompt_seconds = time.perf_counter() - started
        self._cells = self._shared
        while self._waiting or self._active:
            if self._job.should_stop:
                raise Aborted
            self._admit(alone=alone)
            self._step()

    def _admit(self, *, alone: bool) -> None:
        """Start texts while there is a sequence and room in the context for them."""
        while self._waiting and (alone or self._free):
            text = self._waiting[0]
            needed = text.room - self._shared
            if self._active and self._cells + needed > self._held.context_tokens:
                return
            self._waiting.popleft()
            self._cells += needed
            if not alone:
                text.sequence = self._free.pop()
                self._held.copy(0, text.sequence)
            text.read = self._shared
            request = text.request
            text.sampler = Sampler(
                text.tokens, request, grammar=self._grammars.of(request.json_schema), piece=self._held.bytes_of
            )
            self._active.append(text)

    def _step(self) -> None:
        """Evaluate the next tokens of all active texts and choose what follows."""
        held, batch = self._held, self._held.batch
        batch.clear()
        for text in sorted(self._active, key=lambda text: len(text.tokens) - text.read):  # words first, then reading
            text.place = None
            tokens = text.tokens[text.read :] or text.made[-1:]
            tokens = tokens[: batch.room]
            if not tokens:
                continue
            position = text.read if text.read < len(text.tokens) else len(text.tokens) + len(text.made) - 1
            whole = text.read + len(tokens) >= len(text.tokens)
            place = batch.add(tokens, position, text.sequence, outputs=None if whole else False)
            text.read = min(len(text.tokens), text.read + len(tokens))
            text.place = place if whole else None
            if text.sequence == _ALONE:
                held.tokens += tokens
        held.evaluate()
        for text in list(self._active):
            if text.place is not None:
                self._continue(text)
        reading = sum(text.read + len(text.made) for text in self._active)
        self._job.progress(min(self._total, self._done + reading), self._total)

    def _continue(self, text: Text) -> None:
        held = self._held
        assert text.sampler is not None and text.place is not None  # noqa: S101, PT018 - set when admitted
        token = text.sampler.next(held.logits(text.place))
        if held.ends(token):
            text.finish = "stop"
            self._finish(text)
        elif text.add(token, held.bytes_of(token), held.stops):
            self._finish(text)

    def _finish(self, text: Text) -> None:
        self._active.remove(text)
        self._done += text.room
        if text.sequence != _ALONE:
            self._held.drop(text.sequence)
            self._free.append(text.sequence)
            self._cells -= text.room - self._shared

    def stop(self) -> None:
        """Mark what is not done as ended by the deadline or by the caller."""
        reason: Finish = "cancelled" if self._job.cancelled else "deadline"
        for text in (*self._active, *self._waiting):
            text.finish = reason


def generate(job: Job, held: Held, requests: Sequence[Generation], load_seconds: float) -> list[Generated]:
    """Generate a text for each request.

    At the deadline, or when the caller gives up, what was generated so far is returned and `finish` says so.

    Raises `PromptTooLongError`, `InvalidInputError`.
    """
    texts = []
    for number, request in enumerate(requests):
        prompt = held.chat.prompt(request.system, request.user)
        texts.append(Text(number, request, prompt, held.prompt_tokens(prompt)))
        check_room(held, len(texts[-1].tokens), request.max_tokens)
    started = time.perf_counter()
    with held.abort.heeding(job):
        work = _Work(job, held, texts, Grammars(held.json_tokens))
        try:
            work.run()
        except Aborted:
            work.stop()
            held.forget()
    seconds = time.perf_counter() - started
    return [
        generated(
            held,
            text,
            prompt_tokens=len(text.tokens),
            held_tokens=work.held_tokens,
            load_seconds=load_seconds,
            prompt_seconds=work.prompt_seconds,
            generate_seconds=seconds - work.prompt_seconds,
        )
        for text in texts
    ]


def check_room(held: Held, prompt_tokens: int, max_tokens: int) -> None:
    """Raise `PromptTooLongError` unless a prompt and its answer fit the context."""
    room = held.context_tokens - max_tokens
    if prompt_tokens > room:
        raise PromptTooLongError(
            f"The prompt has {prompt_tokens:,} tokens, but only {max(room, 0):,} fit: the model's context is"
            f" {held.context_tokens:,} and max_tokens {max_tokens:,}.",
            "Use task summarize, which reads any length in parts; or give fewer or shorter sources (a page range, a"
            " narrower table), or lower max_tokens.",
        )


def generated(
    held: Held,
    text: Text,
    *,
    prompt_tokens: int,
    load_seconds: float,
    prompt_seconds: float,
    generate_seconds: float,
    held_tokens: int = 0,
) -> Generated:
    """Return what became of a text, without its thoughts."""
    written = text.written.decode("utf-8", "ignore")
    free = text.request.json_schema is None
    answer, thoughts = without_thinking(text.prompt, written) if free else (written, "")
    return Generated(
        text=answer.strip(),
        finish=text.finish,
        prompt_tokens=prompt_tokens,
        completion_tokens=len(text.made),
        load_seconds=load_seconds,
        prompt_seconds=prompt_seconds,
        generate_seconds=generate_seconds,
        context_tokens=held.context_tokens,
        quantization=held.quantization,
        device=held.device,
        held_tokens=held_tokens,
        thinking_tokens=len(held.tokenize(thoughts)) if thoughts else 0,
    )
