"""Searches by words that one would reach for first, over the same documents; each is given the form that suits it."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Final

from bench.measure import BenchError
from bench.rival_environment import installed
from bench.search_scores import DEPTH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Ranking = Callable[[Mapping[str, str], Sequence[str]], list[list[str]]]
    """Documents by id and queries in; the ids found for each query out, the best first."""

FTS5_WORDS: Final = "FTS5 unicode61"
FTS5_TRIGRAM: Final = "FTS5 trigram"
BM25S: Final = "bm25s 0.3.16"
_REQUIREMENT: Final = "bm25s==0.3.16"
_SECONDS: Final = 600.0
_WORD: Final = re.compile(r"\w+")

# Runs in the rival's environment: documents and queries on standard input, places of documents on standard output.
_PROGRAM: Final = """
import json, sys
import bm25s
documents, queries, depth = json.load(sys.stdin)
index = bm25s.BM25()
index.index(bm25s.tokenize(documents, show_progress=False), show_progress=False)
tokens = bm25s.tokenize(queries, show_progress=False)
found, scores = index.retrieve(tokens, k=min(depth, len(documents)), show_progress=False)
json.dump([[int(place) for place, score in zip(*pair) if score > 0] for pair in zip(found, scores)], sys.stdout)
"""


def fts5_words(documents: Mapping[str, str], queries: Sequence[str]) -> list[list[str]]:
    """Rank by SQLite's FTS5 with its default tokenizer: any word may be missing, the best BM25 first."""
    return _fts5("unicode61", documents, [_WORD.findall(query) for query in queries])


def fts5_trigram(documents: Mapping[str, str], queries: Sequence[str]) -> list[list[str]]:
    """Rank by FTS5 over trigrams: any trigram of the query's words may be missing."""
    return _fts5("trigram", documents, [_trigrams(query) for query in queries])


def bm25s(documents: Mapping[str, str], queries: Sequence[str]) -> list[list[str]]:
    """Rank by bm25s with its default tokenizer, in an environment of its own.

    Raises `BenchError` where it can't be installed or run.
    """
    python = installed("bm25s-0.3.16", [_REQUIREMENT])
    keys = list(documents)
    try:
        done = subprocess.run(
            [str(python), "-c", _PROGRAM],
            input=json.dumps([list(documents.values()), list(queries), DEPTH]),
            capture_output=True,
            text=True,
            check=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
        raise BenchError(f"bm25s failed: {reason[:200]}") from error
    return [[keys[place] for place in found] for found in json.loads(done.stdout)]


RIVALS: Final[dict[str, Ranking]] = {FTS5_WORDS: fts5_words, FTS5_TRIGRAM: fts5_trigram, BM25S: bm25s}


def _fts5(tokenizer: str, documents: Mapping[str, str], terms: Sequence[Sequence[str]]) -> list[list[str]]:
    keys = list(documents)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE VIRTUAL TABLE texts USING fts5(text, tokenize = '{tokenizer}')")
        connection.executemany("INSERT INTO texts(rowid, text) VALUES (?, ?)", enumerate(documents.values()))
        found = []
        for wanted in terms:
            quoted = " OR ".join(f'"{term}"' for term in dict.fromkeys(wanted))
            sql = "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ?"
            found.append([keys[place] for (place,) in connection.execute(sql, (quoted, DEPTH))] if quoted else [])
    return found


def _trigrams(query: str) -> list[str]:
    return [word[at : at + 3] for word in _WORD.findall(query) for at in range(len(word) - 2)]
