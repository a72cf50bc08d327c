"""Vision: texts about pictures generated, one after another.

The context is emptied before and after: what it holds of pictures can't be told from tokens.
"""

from __future__ import annotations

import contextlib
import ctypes
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from llama_cpp import mtmd_cpp

from mcp_context_resources.errors import InvalidInputError, ModelUnavailableError
from mcp_context_resources.models.llama import llama_log
from mcp_context_resources.models.llama.batch import MAX_BATCH
from mcp_context_resources.models.llama.generating import Text, check_room, generated
from mcp_context_resources.models.llama.grammar import Grammars
from mcp_context_resources.models.llama.loaded_model import Aborted
from mcp_context_resources.models.llama.pictures import check_pictures
from mcp_context_resources.models.llama.projector import Projector
from mcp_context_resources.models.llama.sampling import Sampler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp_context_resources.models.llama.loaded_model import Held
    from mcp_context_resources.models.spec import Finish, Generated, Generation
    from mcp_context_resources.workers.job import Job

_SEQUENCE: Final = 0


class Prompt:
    """A prompt with pictures, in pieces that are words or a picture."""

    def __init__(self, request: Generation, held: Held) -> None:
        # Not to be guessed, so that no document can pretend to hold a picture.
        mark = f"[picture {secrets.token_hex(16)}]"
        words = held.chat.prompt(request.system, f"{mark}\n" * len(request.pictures) + request.user)
        self.words = words.split(mark)
        if len(self.words) != len(request.pictures) + 1 or not self.words[-1]:
            raise ModelUnavailableError(
                f"The chat template of {held.spec.name!r} leaves no place for pictures.", "Name another model."
            )
        self.text = Text(0, request, "".join(self.words), [])
        self.tokens = 0
        self.prompt_seconds = self.seconds = 0.0
        self.pieces: list[Any] = []
        self._closing = contextlib.ExitStack()

    @property
    def room(self) -> int:
        """How many cells of the context the prompt and its answer need at most."""
        return self.tokens + self.text.request.max_tokens

    def prepare(self, held: Held, projector: Projector) -> None:
        """Cut the pictures up as the model needs them, unless that is done; they take memory until `put_away`.

        Raises `InvalidInputError`, `PromptTooLongError`.
        """
        if self.pieces:
            return
        chunks = mtmd_cpp.mtmd_input_chunks_init()
        self._closing.callback(mtmd_cpp.mtmd_input_chunks_free, chunks)
        begin = held.needs_begin(self.text.prompt)
        with contextlib.ExitStack() as decoded:
            parts = [_words(self.words[0])]
            for number, picture in enumerate(self.text.request.pictures, start=1):
                bitmap = projector.bitmap(picture, number)
                decoded.callback(mtmd_cpp.mtmd_bitmap_free, bitmap)
                parts += [mtmd_cpp.mtmd_input_part(bitmap=bitmap), _words(self.words[number])]
            native = (_PART * len(parts))(*map(ctypes.pointer, parts))
            code = mtmd_cpp.mtmd_tokenize_from_parts(projector.native, chunks, native, len(parts), begin)
        if code != 0:
            raise InvalidInputError(
                f"The pictures can't be prepared for {held.spec.name!r}: {llama_log.last_complaint()}.",
                "Give pictures of another size.",
            )
        self.pieces = [
            mtmd_cpp.mtmd_input_chunks_get(chunks, place) for place in range(mtmd_cpp.mtmd_input_chunks_size(chunks))
        ]
        self.tokens = 0
        self.text.tokens = []
        for piece in self.pieces:
            size = mtmd_cpp.mtmd_input_chunk_get_n_tokens(piece)
            self.tokens += size
            if _is_words(piece):
                self.text.tokens += _tokens(piece)
            elif size > MAX_BATCH and mtmd_cpp.mtmd_decode_use_non_causal(projector.native, piece):
                raise InvalidInputError(
                    f"A picture becomes {size:,} tokens, but {held.spec.name!r} must read it whole, which works up to"
                    f" {MAX_BATCH}.",
                    "Name another vision model, or give a smaller picture.",
                )
        check_room(held, self.tokens, self.text.request.max_tokens)

    def put_away(self) -> None:
        """Free the memory of the pictures."""
        self.pieces = []
        self._closing.close()

    def read(self, job: Job, held: Held, projector: Projector, report: Callable[[int], None]) -> tuple[int, int]:
        """Let the context hold the prompt; returns the position behind it and the place of its last token's logits.

        `report` hears how many tokens were read. Raises `Aborted` when the job must stop.
        """
        position = place = done = 0
        for piece in self.pieces:
            if not _is_words(piece):
                position = projector.look(job, held, piece, position, _SEQUENCE)
                done += mtmd_cpp.mtmd_input_chunk_get_n_tokens(piece)
                report(done)
                continue
            tokens = _tokens(piece)
            for start in range(0, len(tokens), MAX_BATCH):
                some = tokens[start : start + MAX_BATCH]
                done += len(some)
                held.batch.clear()
                place = held.batch.add(some, position, _SEQUENCE, outputs=None if done == self.tokens else False)
                held.evaluate()
                position += len(some)
                report(done)
        return position, place


def generate(job: Job, held: Held, requests: Sequence[Generation], load_seconds: float) -> list[Generated]:
    """Generate a text for each request, about its pictures.

    At the deadline, or when the caller gives up, what was generated so far is returned and `finish` says so.

    Raises `InvalidInputError`, `ModelUnavailableError`, `PromptTooLongError`.
    """
    started = time.perf_counter()
    for request in requests:
        check_pictures(request.pictures)
    projector = held.attached(Projector)
    load_seconds += time.perf_counter() - started
    prompts = [Prompt(request, held) for request in requests]
    made = Grammars(held.json_tokens)
    with held.abort.heeding(job):
        waiting = list(prompts)
        try:
            for prompt in prompts:
                _go_on(job)
                prompt.prepare(held, projector)
                if len(prompts) > 1:  # the pictures of all at once might fill the memory
                    prompt.put_away()
            total, done = sum(prompt.room for prompt in prompts), 0
            while waiting:
                _write(job, held, projector, made, waiting[0], _reporter(job, done, total))
                done += waiting.pop(0).room
        except Aborted:
            reason: Finish = "cancelled" if job.cancelled else "deadline"
            for prompt in waiting:
                prompt.text.finish = reason
        finally:
            for prompt in prompts:
                prompt.put_away()
            held.forget()
    return [
        generated(
            held,
            prompt.text,
            prompt_tokens=prompt.tokens,
            load_seconds=load_seconds,
            prompt_seconds=prompt.prompt_seconds,
            generate_seconds=prompt.seconds - prompt.prompt_seconds,
        )
        for prompt in prompts
    ]


def _write(
    job: Job, held: Held, projector: Projector, made: Grammars, prompt: Prompt, report: Callable[[int], None]
) -> None:
    """Read a prompt and write what follows.

    Raises `Aborted` when the job must stop.
    """
    started = time.perf_counter()
    text, batch = prompt.text, held.batch
    held.forget()
    try:
        _go_on(job)
        prompt.prepare(held, projector)
        position, place = prompt.read(job, held, projector, report)
        prompt.prompt_seconds = time.perf_counter() - started
        grammar = made.of(text.request.json_schema)
        sampler = text.sampler = Sampler(text.tokens, text.request, grammar=grammar, piece=held.bytes_of)
        while True:
            token = sampler.next(held.logits(place))
            if held.ends(token):
                text.finish = "stop"
                return
            if text.add(token, held.bytes_of(token), held.stops):
                return
            report(prompt.tokens + len(text.made))
            _go_on(job)
            batch.clear()
            place = batch.add([token], position, _SEQUENCE)
            position += 1
            held.evaluate()
    finally:
        prompt.put_away()
        prompt.seconds = time.perf_counter() - started


def _reporter(job: Job, before: int, total: int) -> Callable[[int], None]:
    return lambda done: job.progress(before + done, total)


def _go_on(job: Job) -> None:
    if job.should_stop:
        raise Aborted


def _words(text: str) -> Any:
    data = text.encode("utf-8", "replace")
    words = mtmd_cpp.mtmd_input_text(text=data, text_len=len(data), add_special=False, parse_special=True)
    return mtmd_cpp.mtmd_input_part(text=ctypes.pointer(words))


def _is_words(piece: Any) -> bool:
    return bool(mtmd_cpp.mtmd_input_chunk_get_type(piece) == mtmd_cpp.MTMD_INPUT_CHUNK_TYPE_TEXT)


def _tokens(piece: Any) -> list[int]:
    count = ctypes.c_size_t()
    found = mtmd_cpp.mtmd_input_chunk_get_tokens_text(piece, ctypes.byref(count))
    return [int(token) for token in found[: count.value]]


_PART: Final = ctypes.POINTER(mtmd_cpp.mtmd_input_part)
