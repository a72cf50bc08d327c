"""How right the tables found on a page are: F1 of cells after the best alignment of tables, columns and rows."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# A cell of a truth is its text, or the texts that are right: those of a merged cell's later places, repeated or blank.
TrueCell = str | tuple[str, ...]
TrueTable = list[list[TrueCell]]
FoundTable = list[list[str]]


@dataclass(slots=True)
class Score:
    """Cells that are right, found and true, blank ones left out."""

    right: int = 0
    found: int = 0
    true: int = 0

    def add(self, other: Score) -> None:
        """Count another page's cells, too."""
        self.right += other.right
        self.found += other.found
        self.true += other.true

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 1 where there is nothing to find and nothing was found."""
        return 2 * self.right / (self.found + self.true) if self.found + self.true else 1.0


def page_score(found: Sequence[FoundTable], true: Sequence[TrueTable]) -> Score:
    """Score the tables found on a page.

    Each true table is set beside one found table, the pairs with most right cells first. Within a pair, columns and
    then rows are aligned in order so that most cells agree; a cell is right if it is in the aligned row and column
    and its text is the same after NFKC, without white space and without hyphens that end lines.
    """
    plain_found = [[[_plain(cell) for cell in row] for row in table] for table in found]
    plain_true = [[[_accepted(cell) for cell in row] for row in table] for table in true]
    score = Score(
        found=sum(bool(cell) for table in plain_found for row in table for cell in row),
        true=sum(isinstance(cell, str) and bool(_plain(cell)) for table in true for row in table for cell in row),
    )
    pairs = sorted(
        (
            (_right(mine, its), here, there)
            for here, mine in enumerate(plain_found)
            for there, its in enumerate(plain_true)
        ),
        reverse=True,
    )
    used_found: set[int] = set()
    used_true: set[int] = set()
    for (right, repeated), here, there in pairs:
        if here in used_found or there in used_true:
            continue
        used_found.add(here)
        used_true.add(there)
        score.right += right
        score.found -= repeated
    return score


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text or "").replace("\u00ad", "").split())


def _accepted(cell: TrueCell) -> tuple[str, ...]:
    return (_plain(cell),) if isinstance(cell, str) else tuple(map(_plain, cell))


def _right(found: list[list[str]], true: list[list[tuple[str, ...]]]) -> tuple[int, int]:
    """Return how many cells are right, and how many more only repeat a merged cell, which counts neither way."""
    width, true_width = len(found[0]) if found else 0, len(true[0])
    counts = [Counter(row[column] for row in found if column < len(row) and row[column]) for column in range(width)]
    true_counts = [Counter(row[column][0] for row in true if row[column][0]) for column in range(true_width)]

    def alike(column: int, true_column: int) -> int:
        return (counts[column] & true_counts[true_column]).total()

    columns = _alignment(width, true_width, alike)

    def agreeing(row: int, true_row: int) -> int:
        return sum(
            bool(text) and text in true[true_row][there]
            for here, there in columns
            if here < len(found[row]) and (text := found[row][here])
        )

    right = repeated = 0
    for row, true_row in _alignment(len(found), len(true), agreeing):
        for here, there in columns:
            text = found[row][here] if here < len(found[row]) else ""
            if text and text in true[true_row][there]:
                merged = len(true[true_row][there]) > 1
                repeated += merged
                right += not merged
    return right, repeated


def _alignment(mine: int, others: int, weight: Callable[[int, int], int]) -> list[tuple[int, int]]:
    """Pair two sequences in order so that the weights of the pairs add up to the most."""
    weights = [[weight(i, j) for j in range(others)] for i in range(mine)]
    best = [[0] * (others + 1) for _ in range(mine + 1)]
    for i in range(mine):
        for j in range(others):
            best[i + 1][j + 1] = max(best[i][j + 1], best[i + 1][j], best[i][j] + weights[i][j])
    pairs = []
    i, j = mine, others
    while i and j:
        if weights[i - 1][j - 1] and best[i][j] == best[i - 1][j - 1] + weights[i - 1][j - 1]:
            pairs.append((i - 1, j - 1))
            i, j = i - 1, j - 1
        elif best[i][j] == best[i - 1][j]:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]
