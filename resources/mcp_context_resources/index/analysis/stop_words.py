"""Words that say nothing of what a text is about; most Japanese ones are known by their part of speech."""

from __future__ import annotations

from typing import Final

STOP_WORDS: Final = frozenset(
    """
    a about after all also am an and any are as at be because been before being both but by can could did do does doing
    each for from had has have having he her here hers him his how i if in into is it its just me more most my no nor
    not of off on once only or our ours out over own same she should so some such t than that the their theirs them
    then there these they this those through to too under until up us very was we were what when where which while who
    whom why will with would you your yours
    """.split()
)
"""Words a query is not searched for where it holds any other."""

JAPANESE_STOP_WORDS: Final = frozenset(
    """
    つい よる より よっ よれ おい おけ おける こと もの ため とき ところ どう なぜ どの どんな 関し 関する 対し 対する
    """.split()
)
"""The same in Japanese, as they are written: について, による, に関する and their like."""
