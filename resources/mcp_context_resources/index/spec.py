"""Specification of index data: what crosses the borders of the index, and how vectors are compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

from mcp_context_resources.provenance import SourceRef, now_text, utc_text

if TYPE_CHECKING:
    from mcp_context_resources.provenance import Kind

ChunkKind = Literal["text", "table", "schema", "row"]
"""Running text, a table inside a document, what a table is (name, columns, sample values), or one row of a table."""

SearchMode = Literal["hybrid", "lexical", "vector"]
"""By words and by meaning, by words alone, or by meaning alone."""

Metric = Literal["cosine", "inner_product", "l2"]
"""How vectors are compared: by the angle between them, by the product as they are, or by the distance of their ends."""

RemainingWork = Literal["more", "later", "nothing"]
"""What maintenance leaves to be done: more at once, or later, when the disk may have room again."""

Spans = tuple[tuple[int, int], ...]
"""Places in a text, from and to, in order."""

_METRIC_MARK: Final = "#"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a source, never reaching over the end of a page.

    Of a document, `page` is its number from 1 and `text` are the characters `start` to `end` of that page's text. Of
    a table, `row` is the number of the row from 1, in the order of the file; what a table is has none. `heading` is
    the path of headings above the passage, the outermost first.
    """

    kind: ChunkKind
    text: str
    page: int | None = None
    start: int = 0
    end: int = 0
    row: int | None = None
    heading: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexedSource:
    """A version of a source: `key` is its URI, `fingerprint` identifies the version and how it was cut.

    A fingerprint is that of the files, as other answers name it, then `+` and what stands for the way of cutting.
    `modified` is when its file changed, in nanoseconds since 1970. `size`, in bytes, only tells which sources are
    quickly read (0: unknown).
    """

    key: str
    kind: Kind
    name: str
    file: str
    fingerprint: str
    modified: int
    size: int = field(default=0, compare=False)

    @property
    def modified_text(self) -> str:
        """When its file changed, UTC."""
        return utc_text(datetime.fromtimestamp(self.modified / 1e9, UTC))

    def ref(self) -> SourceRef:
        """Refer to this version, which is the one on disk now."""
        files = self.fingerprint.partition("+")[0]
        return SourceRef(self.key, self.name, self.file, self.modified_text, files, now_text())


class Ending(NamedTuple):
    """What is told of a source that is complete.

    `problem` says why nothing of it can be searched; such a source is complete without chunks. `note` is what a person
    should know of a source whose chunks are there, such as that only its beginning is.
    """

    problem: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class KnownSource:
    """What the index holds of a source: all of it, or, where not `complete`, parts of a version still being put in.

    `problem` and `note` are those of its `Ending`.
    """

    source: IndexedSource
    chunks: int
    complete: bool
    problem: str = ""
    note: str = ""

    @classmethod
    def of(cls, row: KnownRow) -> KnownSource:
        """Read what a store tells."""
        key, kind, name, file, fingerprint, modified, size, chunks, complete, problem, note = row
        source = IndexedSource(key, kind, name, file, fingerprint, modified, size)
        return cls(source, chunks, bool(complete), problem, note)


KnownRow = tuple[str, "Kind", str, str, str, int, int, int, int, str, str]
"""A `KnownSource` as it comes from a worker, in numbers large enough to matter: key, kind, name, file, fingerprint,
modified, size, chunks, whether complete, problem, note."""


@dataclass(frozen=True, slots=True)
class EmbeddingInput:
    """A text in need of a vector. `digest` identifies it, whatever sources it stands in."""

    digest: str
    text: str


@dataclass(frozen=True, slots=True)
class IndexQuery:
    """What to look for.

    `vector` is the question's, little-endian float32, made by the model `model`, whose name tells how vectors are
    compared (`metric_of`); without one the search is lexical. At most `most` hits are returned, at most
    `per_source` of them from one source. `sources` are the keys that may answer (None: all), `kinds` the kinds of
    chunks. Of the best `marked` hits the spans of words are told.
    `fresh` are keys of sources put in just now: their words are waited for a moment, where the index sorts them late.
    """

    text: str
    most: int = 50
    per_source: int = 50
    vector: bytes = field(default=b"", repr=False)
    model: str = ""
    mode: SearchMode = "hybrid"
    sources: tuple[str, ...] | None = field(default=None, repr=False)
    kinds: tuple[ChunkKind, ...] = ()
    marked: int = 1_000
    fresh: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found.

    `score` is between 0 and 1, comparable within one answer only. By words alone it is the share of the query, weighed
    by how rare its words are, that stands in the chunk.
    `lexical_rank` and `vector_rank` are its places from 1 among all found that way (None: not among them). `matched`
    are the spans of the text of the chunk where words of the query stand.
    """

    chunk: Chunk
    source: IndexedSource
    score: float
    lexical_rank: int | None = None
    vector_rank: int | None = None
    matched: Spans = ()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class IndexAnswer:
    """Hits, the best first. `total` is how many chunks hold words of the query (0 where not looked for).

    `terms` are the words that were looked for; none are left of a query of nothing but signs. `vectors` tells how many
    of the chunks in scope have a vector of the query's model, `chunks` how many there are. `exact` tells that every
    vector was compared. `index_lag` is how many complete sources in scope can't all be found by their words yet,
    `problem` why that will not get better by itself. `identity` tells the index from another one that took its place.
    """

    hits: tuple[Hit, ...]
    total: int
    terms: tuple[str, ...]
    chunks: int
    vectors: int
    exact: bool = True
    index_lag: int = 0
    problem: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True)
class IndexSize:
    """How much the index holds: sources, chunks, chunks with a vector of the model asked about, bytes on disk.

    `notes` are to be told to a person: that it was rebuilt, and why.
    """

    sources: int
    chunks: int
    vectors: int
    bytes: int
    notes: tuple[str, ...] = ()


def compared_by(model: str, metric: Metric) -> str:
    """Name a model and how its vectors are compared: other vectors are kept for each way. No model has no name."""
    return model if metric == "cosine" or not model else f"{model}{_METRIC_MARK}{metric}"


def metric_of(model: str) -> Metric:
    """Return how the vectors of a model named by `compared_by` are compared."""
    _, mark, told = model.rpartition(_METRIC_MARK)
    return next((metric for metric in get_args(Metric) if mark and told == metric), "cosine")
