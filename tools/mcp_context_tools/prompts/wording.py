"""Wording of the prompts around their context: what there is to be said, in any language."""

from __future__ import annotations

from dataclasses import dataclass

from mcp_context_resources.documents.page_range import range_numbers


@dataclass(frozen=True, slots=True)
class Wording:
    """The texts of all prompts in one language; the user's words come last, behind the context."""

    ask: str
    check: str
    explore: str
    summarize: str
    summarize_part: str
    compare_aspect: str
    compare_versions: str
    compare_unlike: str
    says: dict[str, str]
    """Single lines inside the context, by what they say."""

    def line(self, key: str, **values: object) -> str:
        """Write one of the single lines."""
        return self.says[key].format(**values)

    def noun(self, noun: str, count: int) -> str:
        """Return `page`, `section`, `row`, `column` or `heading` as it stands behind so many or in front of them."""
        return self.says[noun if count == 1 else f"{noun}s"]

    def pages(self, noun: str, pages: str) -> str:
        """Return `page` or `section` as it stands in front of a range of page numbers."""
        return self.noun(noun, len(range_numbers(pages)))


def filled(template: str, **values: str) -> str:
    """Put values into the text of a prompt; what looks like a place for one inside a value stays as it is."""
    return template.format(**values).rstrip("\n")
