"""Choosing one label of several by a server: the request, and the probabilities its answer tells."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.models.spec import Generation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.remote.reply import TokenChances
    from mcp_context_resources.models.spec import Choosing

TOP_TOKENS: Final = 20
"""Likely tokens asked for at each place; no server in use tells fewer at most."""

_SPARE_TOKENS: Final = 32
_UNIFORM_SHARE: Final = 0.1
_BEFORE_LABEL: Final = re.compile(rb'"label"\s*:\s*"')
_FENCE: Final = re.compile(r"^```[a-z]*\s*|\s*```$")


def label_request(request: Choosing, user: str) -> Generation:
    """Return the generation whose answer is one of the labels, as JSON."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": list(request.labels)}},
        "required": ["label"],
        "additionalProperties": False,
    }
    form = 'Write the answer as JSON: {"label": "…"}'
    longest = max(len(json.dumps(label)) for label in request.labels)
    return Generation(
        system=f"{request.system}\n\n{form}".strip(), user=user, max_tokens=_SPARE_TOKENS + longest, json_schema=schema
    )


def chosen_label(answer: str, labels: Sequence[str]) -> int | None:
    """Return the position of the label that an answer names; None when it names none.

    Where a server heeds no schema, the bare label counts too, in any case of its letters.
    """
    text = _FENCE.sub("", answer.strip())
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if isinstance(value, dict):
        value = value.get("label")
    if not isinstance(value, str):
        return None
    if value in labels:
        return labels.index(value)
    wanted = value.strip().strip("\"'.。").casefold()
    same = [position for position, label in enumerate(labels) if label.strip().casefold() == wanted]
    return same[0] if len(same) == 1 else None


def label_probabilities(
    chances: Sequence[TokenChances], answer: str, labels: Sequence[str]
) -> tuple[float, ...] | None:
    """Return the probability of each label from the tokens of an answer and what might have stood in their place.

    At each token the probability is shared among the labels that go on in that way; where a likely token fits several
    labels, they get equal parts of it. None when the tokens don't tell, or aren't those
    of the answer.
    """
    text = b"".join(chance.token for chance in chances)
    found = list(_BEFORE_LABEL.finditer(text))
    if not found or answer.encode(errors="replace") not in text:  # some servers lose parts of characters
        return None
    start = found[-1].end()
    escaped = b"\\u" in text[start:]
    targets = [json.dumps(label, ensure_ascii=escaped)[1:].encode(errors="replace") for label in labels]
    shares = [0.0] * len(labels)
    alive, path, end = list(range(len(labels))), 1.0, 0
    for chance in chances:
        begin, end = end, end + len(chance.token)
        if end <= start or not chance.token:
            continue
        before, given = text[begin : max(begin, start)], text[start : max(begin, start)]
        ways = _ways(chance, before, given, {i: targets[i] for i in alive})
        total = sum(weight for weight, _ in ways.values())
        if chance.token not in ways or total <= 0:
            return None
        chosen, alive = ways.pop(chance.token)
        for weight, fitting in ways.values():
            for i in fitting:
                shares[i] += path * weight / total / len(fitting)
        path *= chosen / total
        if len(alive) == 1:
            break
    for i in alive:
        shares[i] += path / len(alive)
    whole = math.fsum(shares)
    return tuple(share / whole for share in shares) if whole > 0 else None


def _ways(
    chance: TokenChances, before: bytes, given: bytes, targets: dict[int, bytes]
) -> dict[bytes, tuple[float, list[int]]]:
    """Return the probability of each token that some label goes on with, and which labels those are.

    `before` is what the token has of the text before the label, `given` the part of the label that came already.
    """
    ways: dict[bytes, tuple[float, list[int]]] = {}
    for token, logprob in (*chance.others, (chance.token, chance.logprob)):
        stem = given + token[len(before) :]
        if not token.startswith(before) or len(stem) == len(given):
            continue
        fitting = [i for i, target in targets.items() if target.startswith(stem) or stem.startswith(target)]
        if fitting:
            ways[token] = math.exp(logprob), fitting
    return ways


def without_prior(row: Sequence[float], neutral: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return a row of probabilities with what the labels score on neutral prompts taken off."""
    count = len(row)
    means = (math.fsum(column) / len(neutral) for column in zip(*neutral, strict=True))
    # A tenth of an even share keeps a label that is never likely from gaining by that.
    scores = [
        score / ((1 - _UNIFORM_SHARE) * mean + _UNIFORM_SHARE / count) for score, mean in zip(row, means, strict=True)
    ]
    whole = math.fsum(scores)
    return tuple(score / whole for score in scores) if whole > 0 else tuple(row)
