"""Vector tables: vectors in the database by model and text, which are missing, and who is making them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.index.local_engine.chunk_tables import embedded_text, read_chunks, select_in
from mcp_context_resources.index.local_engine.database import get_meta
from mcp_context_resources.index.spec import EmbeddingInput, metric_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mcp_context_resources.index.spec import Metric

    Matrix = NDArray[np.float32]
    Numbers = NDArray[np.int64]

CLAIM_SECONDS: Final = 60.0
"""How long passages count as being worked on by whoever asked for them."""

MOST_DIMENSIONS: Final = 8192
"""Vectors of more numbers are refused."""

_MOST_AT_ONCE: Final = 10_000
_MOST_MODELS: Final = 6


@dataclass(frozen=True, slots=True)
class VectorSpace:
    """The vectors of a model of a database: `identity` and `model` are the database's, `dimension` their length.

    They are compared by `metric`.
    """

    identity: str
    model: int
    dimension: int
    metric: Metric = "cosine"


def without_vector(connection: sqlite3.Connection, model: str, most: int) -> list[EmbeddingInput]:
    """Claim up to `most` passages of which a model has no vector; a model never seen before lacks all of them."""
    number = _model(connection, model)
    now = time.time()
    rows = connection.execute(
        "SELECT passage FROM pending WHERE model = ? AND until < ? LIMIT ?",
        (number, now, max(0, min(most, _MOST_AT_ONCE))),
    ).fetchall()
    passages = [row[0] for row in rows]
    found = _texts(connection, passages)
    # A clock set back would leave claims that never end.
    connection.execute("UPDATE pending SET until = 0 WHERE model = ? AND until > ?", (number, now + 2 * CLAIM_SECONDS))
    connection.executemany(
        "UPDATE pending SET until = ? WHERE model = ? AND passage = ?",
        [(now + CLAIM_SECONDS, number, passage) for passage in found],
    )
    connection.executemany(  # nobody needs them now; they are noted again when somebody does
        "DELETE FROM pending WHERE model = ? AND passage = ?",
        [(number, passage) for passage in passages if passage not in found],
    )
    return list(found.values())


def put_vectors(connection: sqlite3.Connection, model: str, digests: Sequence[str], vectors: bytes) -> None:
    """Put in vectors of passages; of those nobody has any more nothing is kept.

    A model whose vectors have another dimension than before is another model: its old vectors are forgotten. Raises
    `InvalidInputError` where the bytes are no vectors of so many passages.
    """
    if not digests:
        return
    matrix = np.frombuffer(vectors, dtype="<f4") if len(vectors) % (4 * len(digests)) == 0 else np.empty(0, "<f4")
    dimension = matrix.size // len(digests)
    if not 0 < dimension <= MOST_DIMENSIONS or not np.isfinite(matrix).all():
        raise InvalidInputError(
            f"{len(vectors)} bytes are no vectors of {len(digests)} passages.", "Check the embedding model."
        )
    number = _model(connection, model)
    known = connection.execute("SELECT dimension FROM models WHERE id = ?", (number,)).fetchone()[0]
    if known not in (0, dimension):
        forget_model(connection, number)
        number = _model(connection, model)
    connection.execute("UPDATE models SET dimension = ? WHERE id = ?", (dimension, number))
    passages = dict(
        select_in(
            connection, "SELECT digest, id FROM passages WHERE digest IN", [bytes.fromhex(digest) for digest in digests]
        )
    )
    rows = matrix.reshape(len(digests), dimension)
    metric = metric_of(model)
    stored = (_unit(rows) if metric == "cosine" else rows).astype(_stored(metric))
    held = {
        passages[key]: vector
        for digest, vector in zip(digests, stored, strict=True)
        if (key := bytes.fromhex(digest)) in passages
    }
    connection.executemany(
        "INSERT OR IGNORE INTO vectors (model, passage, vector) VALUES (?, ?, ?)",
        [(number, passage, vector.tobytes()) for passage, vector in held.items()],
    )
    connection.executemany(
        "DELETE FROM pending WHERE model = ? AND passage = ?", [(number, passage) for passage in held]
    )


def space_of(connection: sqlite3.Connection, name: str) -> VectorSpace | None:
    """Return the space of a model's vectors; None where none are known."""
    found = "SELECT id, dimension FROM models WHERE name = ? AND dimension > 0"
    row = connection.execute(found, (name,)).fetchone() if name else None
    return VectorSpace(get_meta(connection, "identity"), row[0], row[1], metric_of(name)) if row else None


def spaces(connection: sqlite3.Connection) -> list[VectorSpace]:
    """Return the spaces of all models that have vectors."""
    names = [row[0] for row in connection.execute("SELECT name FROM models WHERE dimension > 0").fetchall()]
    return [space for name in names if (space := space_of(connection, name)) is not None]


def read_vectors(connection: sqlite3.Connection, space: VectorSpace, after: int, most: int) -> Any:
    """Return the vectors put in after number `after`, the oldest first: passages, vectors, the last one's number."""
    rows = connection.execute(
        "SELECT id, passage, vector FROM vectors WHERE model = ? AND id > ? ORDER BY id LIMIT ?",
        (space.model, after, most),
    ).fetchall()
    stored = _stored(space.metric)
    rows_ok = [row for row in rows if len(row[2]) == space.dimension * stored.itemsize]
    passages = np.array([row[1] for row in rows_ok], dtype=np.int64)
    joined = np.frombuffer(b"".join(row[2] for row in rows_ok), dtype=stored)
    matrix = joined.astype(np.float32).reshape(len(rows_ok), space.dimension)
    return passages, matrix, rows[-1][0] if rows else after


def count_vectors(connection: sqlite3.Connection, model: int, after: int) -> int:
    """Count the vectors put in after number `after`."""
    rows = connection.execute("SELECT count(*) FROM vectors WHERE model = ? AND id > ?", (model, after))
    return int(rows.fetchone()[0])


def missing_by_source(connection: sqlite3.Connection, model: int) -> dict[int, int]:
    """Count, by source, the chunks that have no vector of a model yet."""
    return dict(
        connection.execute(
            "SELECT c.source, count(*) FROM pending p JOIN chunks c ON c.passage = p.passage"
            " WHERE p.model = ? GROUP BY c.source",
            (model,),
        ).fetchall()
    )


def pending_of(connection: sqlite3.Connection, model: int, chunks: Sequence[int]) -> set[int]:
    """Return those of some chunks that have no vector of a model yet, as those of a file that has just changed."""
    rows = select_in(
        connection, "SELECT c.id, p.model FROM chunks c JOIN pending p ON p.passage = c.passage WHERE c.id IN", chunks
    )
    return {chunk for chunk, lacking in rows if lacking == model}


def forget_model(connection: sqlite3.Connection, number: int) -> None:
    """Forget a model and its vectors."""
    for table, column in (("vectors", "model"), ("pending", "model"), ("models", "id")):
        connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (number,))  # noqa: S608 - our own words


def _model(connection: sqlite3.Connection, name: str) -> int:
    """Return the number of a model; a new one takes the place of the one not used for longest."""
    row = connection.execute("SELECT id, used FROM models WHERE name = ?", (name,)).fetchone()
    now = time.time()
    if row is not None:
        if abs(now - row[1]) > CLAIM_SECONDS:
            connection.execute("UPDATE models SET used = ? WHERE id = ?", (now, row[0]))
        return int(row[0])
    for old in connection.execute("SELECT id FROM models ORDER BY used DESC").fetchall()[_MOST_MODELS - 1 :]:
        forget_model(connection, old[0])
    number = int(connection.execute("INSERT INTO models (name, used) VALUES (?, ?)", (name, now)).lastrowid or 0)
    connection.execute("INSERT INTO pending (model, passage) SELECT ?, id FROM passages", (number,))
    return number


def _texts(connection: sqlite3.Connection, passages: Sequence[int]) -> dict[int, EmbeddingInput]:
    """Return the text of each passage that a source which isn't dead holds."""
    ids: list[int] = []
    for passage in passages:
        row = connection.execute(
            "SELECT c.id FROM chunks c JOIN sources s ON s.id = c.source WHERE c.passage = ? AND s.state < 2 LIMIT 1",
            (passage,),
        ).fetchone()
        if row is not None:
            ids.append(row[0])
    stored = read_chunks(connection, ids, partial=True)
    return {chunk.passage: EmbeddingInput(chunk.digest, embedded_text(chunk.chunk)) for chunk in stored.values()}


def _stored(metric: Metric) -> np.dtype[Any]:
    """Return how numbers are stored: half the size will do for those of length 1, cosines change in the 4th place."""
    return np.dtype("<f2") if metric == "cosine" else np.dtype("<f4")


def _unit(matrix: Matrix) -> Matrix:
    """Give vectors length 1; those without a direction stay as they are."""
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    unit: Matrix = (matrix / lengths).astype(np.float32, copy=False)
    return unit
