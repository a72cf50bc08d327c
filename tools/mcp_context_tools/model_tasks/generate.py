"""`generate`: text, or JSON that follows a schema, from a prompt and sources that fit the context; or from pictures."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.citation import parse_place, place_uri
from mcp_context_resources.documents.page_range import parse_page_range
from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.models.spec import Generation
from mcp_context_tools.model_tasks.outcome import Outcome
from mcp_context_tools.model_tasks.wording import wording
from mcp_context_tools.passages import Material, Passage
from mcp_context_tools.rendering import Untrusted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_tools.model_tasks.call import ModelCall


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


_DPI: Final = 150.0
_MOST_PAGES: Final = 8


async def look(call: ModelCall, prompt: str, sources: Sequence[str], max_tokens: int) -> tuple[Outcome, Material]:
    """Show pages of documents to the model; returns also what it was shown, without text.

    Raises `InvalidInputError` for sources that aren't pages, and for too many.
    """
    material = Material()
    pictures: list[bytes] = []
    for name in dict.fromkeys(sources):
        for document, page in await _pages(call, name):
            if len(pictures) == _MOST_PAGES:
                raise InvalidInputError(
                    f"More than {_MOST_PAGES} pages can't be looked at in one call.", "Name fewer pages."
                )
            await call.report(len(pictures), None, f"drawing page {page} of {document}")
            found = await call.services.documents.picture(document, pages=page, dpi=_DPI)
            pictures.append(found.content.png)
            if found.ref not in material.sources:
                material.sources.append(found.ref)
            number = found.content.number
            uri = place_uri(found.source.name, number)
            material.passages.append(Passage(found.source.name, f"page {number}", "", uri, number))
    words = wording(prompt)
    request = Generation(words.assistant, prompt, max_tokens, pictures=tuple(pictures))
    made = (await call.generate([request], "looking"))[0]
    return Outcome(made.text, {"text": made.text, "pages_shown": len(pictures)}, made.finish), material


async def _pages(call: ModelCall, name: str) -> list[tuple[str, str]]:
    """Return document and page of each page that a source names; of one without pages all."""
    place = parse_place(name)
    document, pages = place.name, place.pages
    if not name.startswith("document://"):
        document, _, pages = name.replace("#page=", "#pages=").partition("#pages=")
    properties = await call.services.documents.properties(document)
    return [(document, str(number)) for number in parse_page_range(pages, properties.content.total_pages)]
