"""`generate`: free text, or JSON that follows a schema, from a prompt and sources that fit the model's context."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from mcp_context_resources.models.spec import Generation
from mcp_context_tools.model_tasks.outcome import Outcome
from mcp_context_tools.model_tasks.wording import wording
from mcp_context_tools.rendering import Untrusted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_tools.model_tasks.call import ModelCall
    from mcp_context_tools.passages import Material, Passage


async def generate(call: ModelCall, prompt: str, material: Material, max_tokens: int) -> Outcome:
    """Let the model write.

    Raises `PromptTooLongError` when the sources don't fit.
    """
    words = wording(prompt)
    text = marked(material.passages)
    made = await call.generate(
        [
            Generation(
                system=words.from_sources if text else words.assistant,
                user=f"{text}\n\n{prompt}" if text else prompt,
                max_tokens=max_tokens,
                # A penalty would make the model miscopy the figures of its sources.
                repeat_penalty=1.0 if text else 1.1,
            )
        ],
        "writing",
    )
    return Outcome(made[0].text, {"text": made[0].text}, made[0].finish)


def marked(passages: Sequence[Passage]) -> str:
    """Write passages for a prompt, each source between marks that its text can't know.

    The marks are made from the text itself, so that the same sources make the same prompt and the same answer, and a
    second question about them finds them still in the model's memory.
    """
    if not passages:
        return ""
    untrusted = Untrusted(hashlib.sha256("\0".join(one.text for one in passages).encode()).hexdigest()[:12])
    parts: list[str] = []
    for name in dict.fromkeys(passage.source for passage in passages):
        own = [passage for passage in passages if passage.source == name]
        parts.append(untrusted.wrap("\n".join(f"[{one.label}]\n{one.text}" for one in own), name))
    return "\n".join(parts)
