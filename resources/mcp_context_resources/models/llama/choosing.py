"""Choosing among labels by how likely a model finds each of them as the answer.

The score of a label is the log-probability of its tokens after the prompt, and of the answer's end after them where
one label begins with another; the scores are made probabilities over the labels alone. So the answer is always one of
them, and how sure it is can be told. What a label scores on prompts that say nothing is its prior, which is taken off
(contextual calibration: Zhao et al. 2021, arXiv:2102.09690).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import numpy as np

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.models.llama.batch import MAX_BATCH
from mcp_context_resources.models.llama.generating import check_room, common_beginning
from mcp_context_resources.models.llama.loaded_model import SEQUENCES, Aborted, Held
from mcp_context_resources.models.spec import Choosing, Chosen, Finish

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from mcp_context_resources.workers.job import Job

    Scores = npt.NDArray[np.float64]

_MAX_LABEL_TOKENS: Final = 64


def choose(job: Job, held: Held, request: Choosing) -> Chosen:
    """Tell how likely each label is for each prompt.

    Raises `InvalidInputError` for labels that are too long or no different to the model, `PromptTooLongError`.
    """
    started = time.perf_counter()
    labels = _Labels(held, request.labels)
    prompts = [held.prompt_tokens(held.chat.prompt(request.system, user)) for user in request.users]
    key = (request.system, request.labels, request.neutral)
    prior = held.priors.get(key)
    neutral = [] if prior is not None else [held.chat.prompt(request.system, user) for user in request.neutral]
    texts = [*(held.prompt_tokens(prompt) for prompt in neutral), *prompts]
    for tokens in texts:
        check_room(held, len(tokens), min(labels.further_tokens, MAX_BATCH) + 1)
    scores: list[Scores] = []
    finish: Finish = "stop"
    with held.abort.heeding(job):
        try:
            _score_all(job, held, labels, texts, scores)
        except Aborted:
            finish = "cancelled" if job.cancelled else "deadline"
            held.forget()
    if neutral and len(scores) >= len(neutral):
        prior = np.mean([_log_softmax(score) for score in scores[: len(neutral)]], axis=0)
        held.priors = {key: prior}
    rows = scores[len(neutral) :]
    return Chosen(
        probabilities=tuple(tuple(_probabilities(row, prior).tolist()) for row in rows),
        finish=finish,
        prompt_tokens=sum(map(len, prompts)),
        seconds=time.perf_counter() - started,
        quantization=held.quantization,
        device=held.device,
    )


class _Labels:
    """The labels as tokens that follow a prompt."""

    def __init__(self, held: Held, labels: Sequence[str]) -> None:
        self.tokens = [held.tokenize(label) for label in labels]
        self.longest = max(map(len, self.tokens))
        if self.longest > _MAX_LABEL_TOKENS or not all(self.tokens):
            raise InvalidInputError("A label is too long to be scored.", "Use labels of a few words.")
        if len({tuple(tokens) for tokens in self.tokens}) < len(self.tokens):
            raise InvalidInputError("Two labels are the same to the model.", "Use labels that differ in their words.")
        # Only a label that another one goes on from must be told apart by where it ends.
        end = held.end_token
        if end >= 0 and any(a != b and b[: len(a)] == a for a in self.tokens for b in self.tokens):
            self.tokens = [[*tokens, end] for tokens in self.tokens]
            self.longest += 1
        self.further = [number for number, tokens in enumerate(self.tokens) if len(tokens) > 1]
        self.further_tokens = sum(len(self.tokens[number]) - 1 for number in self.further)

    def prompts_at_once(self) -> int:
        """How many prompts the sequences of a context allow to be worked on at once, at least one."""
        by_sequences = (SEQUENCES - 1) // (1 + len(self.further))
        by_batch = MAX_BATCH // self.further_tokens if self.further else SEQUENCES
        return max(1, min(by_sequences, by_batch))


def _score_all(job: Job, held: Held, labels: _Labels, texts: list[list[int]], scores: list[Scores]) -> None:
    shared = common_beginning(texts) if len(texts) > 1 else len(texts[0]) - 1
    held.read(job, texts[0][:shared])
    done = 0
    while done < len(texts):
        group: list[list[int]] = []
        cells = shared
        for tokens in texts[done : done + labels.prompts_at_once()]:
            cells += len(tokens) - shared + labels.further_tokens
            if group and cells > held.context_tokens:
                break
            group.append(tokens)
        scores.extend(_score_group(held, labels, group, shared))
        done += len(group)
        job.progress(done, len(texts))
        if job.should_stop:
            raise Aborted


def _score_group(held: Held, labels: _Labels, group: list[list[int]], shared: int) -> list[Scores]:
    """Score some prompts together: first all prompts, then all further tokens of all labels."""
    first = _read_prompts(held, group, shared)
    firsts = np.array([tokens[0] for tokens in labels.tokens])
    scores = [row[firsts].astype(np.float64) for row in first]
    if labels.further:
        _add_further(held, labels, group, scores)
    for sequence in range(1, SEQUENCES):
        held.drop(sequence)
    return scores


def _read_prompts(held: Held, group: list[list[int]], shared: int) -> list[npt.NDArray[np.float64]]:
    """Evaluate what is each prompt's own; returns the log-probabilities of all tokens after each."""
    found: list[npt.NDArray[np.float64]] = []
    places: list[int] = []
    batch = held.batch
    batch.clear()

    def evaluate() -> None:
        held.evaluate()
        found.extend(_log_softmax(held.logits(place)) for place in places)
        places.clear()
        batch.clear()

    for number, tokens in enumerate(group, start=1):
        held.copy(0, number)
        position = shared
        while position < len(tokens):
            if batch.room == 0:
                evaluate()
            piece = tokens[position : position + batch.room]
            last = position + len(piece) == len(tokens)
            place = batch.add(piece, position, number, outputs=None if last else False)
            position += len(piece)
            if last:
                places.append(place)
    evaluate()
    return found


def _add_further(held: Held, labels: _Labels, group: list[list[int]], scores: list[Scores]) -> None:
    """Add the log-probabilities of the labels' tokens behind their first, a sequence for each label of each prompt."""
    batch = held.batch
    waiting: list[tuple[int, int, int, int]] = []
    sequence = len(group)

    def evaluate() -> None:
        held.evaluate()
        for place, row, label, following in waiting:
            scores[row][label] += _log_softmax(held.logits(place))[following]
        waiting.clear()
        batch.clear()

    for row, prompt in enumerate(group):
        for label in labels.further:
            tokens = labels.tokens[label]
            if batch.room < len(tokens) - 1 or sequence + 1 >= SEQUENCES:
                evaluate()
                for used in range(len(group) + 1, SEQUENCES):
                    held.drop(used)
                sequence = len(group)
            sequence += 1
            held.copy(row + 1, sequence)
            last = batch.add(tokens[:-1], len(prompt), sequence, outputs=True)
            first = last - len(tokens) + 2
            waiting += [(first + step, row, label, following) for step, following in enumerate(tokens[1:])]
    if waiting:
        evaluate()


def _log_softmax(values: npt.NDArray[np.float32] | Scores) -> Scores:
    shifted = values.astype(np.float64) - float(values.max())
    result: Scores = shifted - np.log(np.exp(shifted).sum())
    return result


def _probabilities(scores: Scores, prior: Scores | None) -> Scores:
    if prior is not None:
        scores = _log_softmax(scores) - prior
    result: Scores = np.exp(_log_softmax(scores))
    return result
