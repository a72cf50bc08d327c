"""What the prompts say around their context, and in which language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from mcp_context_resources.documents.page_range import range_numbers
from mcp_context_resources.models.language import language_of

_KANJI: Final = re.compile(r"[\u3400-\u9fff]")
# Written so in Japan alone: a table's names are often without kana.
_JAPANESE: Final = re.compile(
    "[売駅円県価気図広栄桜沢浜渋総験検険続乗仏伝働単塩変対歩毎済発絵経継処両払辺込畑枠峠帰拡]"
)
_LETTER: Final = re.compile(r"[^\W\d_\u3400-\u9fff]")


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


def wording_for(*texts: str) -> Wording:
    """Return the texts in the language of the first of `texts` that shows one; in English where none does.

    Kanji alone may be Chinese, so unless some are written so in Japan only, what comes after them decides.
    """
    from mcp_context_tools.prompts.wording_en import ENGLISH
    from mcp_context_tools.prompts.wording_ja import JAPANESE

    return JAPANESE if _language(*texts) == "ja" else ENGLISH


def wording_of_two(a: str, b: str) -> Wording:
    """Return the texts in Japanese where one of two texts is: who compares it with an English one reads both."""
    return wording_for(*sorted((a, b), key=lambda text: language_of(text) != "ja"))


def filled(template: str, **values: str) -> str:
    """Put values into the text of a prompt; what looks like a place for one inside a value stays as it is."""
    return template.format(**values).rstrip("\n")


def _language(*texts: str) -> Literal["ja", "en"] | None:
    for text in texts:
        if (language := language_of(text)) is not None:
            return language
        if _JAPANESE.search(text):
            return "ja"
        if len(text) > 40 and _LETTER.search(text) and not _KANJI.search(text):
            return "en"  # another language in Latin letters or a mixture: English is read more widely
    return None
