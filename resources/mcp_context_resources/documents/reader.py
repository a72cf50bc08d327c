"""Reader of documents: a format, declared: its endings, what reads it, and what can be done with what was read.

The formats of this package are declared here, those of other packages by entry points of the group
`fresh_context.document_readers`, each naming a `DocumentReader`. The code that reads is named, not imported: it runs in
confined worker processes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mcp_context_resources.documents.ocr_models import engine_version
from mcp_context_resources.errors import ConfigurationError
from mcp_context_resources.installed import versions
from mcp_context_resources.plugins import allowed_readers, check_declaration, code_folders

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GROUP: Final = "fresh_context.document_readers"
"""The group of entry points under which other packages offer a `DocumentReader`."""

_HOME: Final = "mcp_context_resources.documents"
_EXTRA: Final = "fresh-context[documents]"
_VERSION: Final = "2"


@dataclass(frozen=True, slots=True)
class DocumentReader:
    """A format of documents and what reads it.

    `format` is its name, `title` what one of its files is called in messages, such as `a web page`; `endings` are those
    of its files, in lower case, such as `.html`.

    `open` is the function that reads a file, as `package.module:function`. It is imported and called in a worker
    process, with the `Job` and the `DocumentFile`, and returns `Converted`: the document in sections. Of a `paged`
    format, whose files have pages of their own that can be drawn, it returns an `OpenDocument`.

    `version` is to be raised with every change of the text that is read, of where its characters stand, or of what can
    be read; so do new versions of the distributions in `libraries`: text that was read by others is read again. `extra`
    is what to install where one of them is missing, as pip takes it.

    `zipped` files are zip archives; only `outlined` formats have headings besides those in the text; the text of a
    `markdown` format is Markdown; pages of a `recognised` format that are pictures are read by text recognition. Names
    of `fixed_properties` come from the reader, never from the file.
    """

    format: str
    title: str
    endings: tuple[str, ...]
    open: str
    version: str = "1"
    libraries: tuple[str, ...] = ()
    extra: str = ""
    paged: bool = False
    zipped: bool = False
    outlined: bool = True
    markdown: bool = False
    recognised: bool = False
    fixed_properties: bool = False

    @property
    def noun(self) -> str:
        """What the parts of its documents are: `page` or `section`."""
        return "page" if self.paged else "section"


PDF: Final = DocumentReader(
    "pdf",
    "a PDF",
    (".pdf",),
    f"{_HOME}.pdf.document:open_pdf",
    _VERSION,
    libraries=("pypdf", "pypdfium2"),
    paged=True,
    recognised=True,
    fixed_properties=True,
)
_MARKDOWN: Final = DocumentReader(
    "markdown",
    "a text file",
    (".md", ".markdown", ".mdx"),
    f"{_HOME}.markup.markdown:convert",
    _VERSION,
    libraries=("charset-normalizer",),
    markdown=True,
)
_TEXT: Final = DocumentReader(
    "text",
    "a text file",
    (".txt", ".text", ".rst", ".log"),
    f"{_HOME}.markup.plain_text:convert",
    _VERSION,
    libraries=("charset-normalizer",),
    outlined=False,
)
_HTML: Final = DocumentReader(
    "html",
    "a web page",
    (".html", ".htm", ".xhtml"),
    f"{_HOME}.markup.web_page:convert",
    _VERSION,
    libraries=("charset-normalizer", "lxml"),
    extra=_EXTRA,
)
_WORD: Final = DocumentReader(
    "docx",
    "a Word document",
    (".docx", ".docm", ".dotx"),
    f"{_HOME}.office.word:convert",
    _VERSION,
    libraries=("lxml", "python-docx"),
    extra=_EXTRA,
    zipped=True,
)
_SLIDES: Final = DocumentReader(
    "pptx",
    "a PowerPoint presentation",
    (".pptx", ".pptm", ".ppsx", ".potx"),
    f"{_HOME}.office.slides:convert",
    _VERSION,
    libraries=("lxml", "python-pptx"),
    extra=_EXTRA,
    zipped=True,
)
_EPUB: Final = DocumentReader(
    "epub",
    "an EPUB book",
    (".epub",),
    f"{_HOME}.markup.epub:convert",
    _VERSION,
    libraries=("charset-normalizer", "lxml"),
    extra=_EXTRA,
    zipped=True,
)
_MAIL: Final = DocumentReader(
    "email",
    "an e-mail message",
    (".eml",),
    f"{_HOME}.mail.message:convert",
    _VERSION,
    libraries=("charset-normalizer", "lxml"),
)
_NOTEBOOK: Final = DocumentReader(
    "notebook",
    "a notebook",
    (".ipynb",),
    f"{_HOME}.markup.notebook:convert",
    _VERSION,
    libraries=("charset-normalizer",),
)

BUILT_IN: Final = (PDF, _MARKDOWN, _TEXT, _HTML, _WORD, _SLIDES, _EPUB, _MAIL, _NOTEBOOK)
"""The readers of this package."""


class DocumentReaders:
    """The readers that are in use: those built in, and those of other packages that are allowed by name."""

    def __init__(self, plugins: Sequence[str] = ()) -> None:
        """Load the declarations of the plugins of these names.

        Raises `ConfigurationError` for a name that no installed package offers, and for what can't be used.
        """
        offered = allowed_readers(GROUP, plugins)
        others = [_checked(name, reader) for name, reader in zip(dict.fromkeys(plugins), offered, strict=True)]
        self._by_format: dict[str, DocumentReader] = {}
        self.endings: dict[str, str] = {}
        for reader in (*BUILT_IN, *others):
            self._add(reader)
        self.plugin_folders = tuple(
            dict.fromkeys(folder for reader in others for folder in code_folders(reader.format, reader.open))
        )
        self._versions: dict[str, str] = {}

    def __iter__(self) -> Iterator[DocumentReader]:
        return iter(self._by_format.values())

    def of(self, form: str) -> DocumentReader:
        """Return the reader of a format, which is one of theirs."""
        return self._by_format[form]

    def version(self, form: str) -> str:
        """Name the reader of a format as it is installed: an extra that is added reads what was unreadable."""
        if form not in self._versions:
            self._versions[form] = reading_version(self.of(form))
        return self._versions[form]

    def _add(self, reader: DocumentReader) -> None:
        if reader.format in self._by_format:
            raise ConfigurationError(f"Two readers read documents of the format {reader.format!r}.", _ALLOW_FEWER)
        self._by_format[reader.format] = reader
        for ending in reader.endings:
            if ending in self.endings:
                raise ConfigurationError(
                    f"Files ending in {ending} are read by two readers: {self.endings[ending]} and {reader.format}.",
                    _ALLOW_FEWER,
                )
            self.endings[ending] = reader.format


_ALLOW_FEWER: Final = "Allow fewer plugins in documents.plugins."

DOCUMENT_FORMATS: Final[dict[str, str]] = {ending: reader.format for reader in BUILT_IN for ending in reader.endings}
"""File name ending → format, of the readers that are built in."""


def reading_version(reader: DocumentReader) -> str:
    """Name a reader as it is installed now: its version and those of its libraries and its recogniser of text."""
    named = f"{reader.version} {versions(reader.libraries)}"
    return f"{named} {engine_version() or ''}" if reader.recognised else named


def _checked(name: str, reader: object) -> DocumentReader:
    if not isinstance(reader, DocumentReader):
        raise ConfigurationError(
            f"The plugin {name!r} is a {type(reader).__name__}, not a reader of documents.", "Install one that fits."
        )
    check_declaration(name, reader.format, reader.endings, (reader.open,))
    return reader
