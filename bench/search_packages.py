"""Titled texts in English and Japanese out of public packages, fetched once into the user's cache folder.

LibreOffice's help (MPL-2.0), manual pages and package descriptions, all from Debian; nothing of them is committed.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from bench.document_packages import run_command
from bench.measure import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable

    Titled = dict[str, tuple[str, str]]
    """Title and text by an id that is the same in every language."""

LANGUAGES: Final = ("en", "ja")
CACHE: Final = "search-sets-1"
_HELP: Final = {"en": ("libreoffice-help-en-us", "en-US"), "ja": ("libreoffice-help-ja", "ja")}
_MANUALS: Final = {
    "en": (("manpages", "manpages-dev"), "usr/share/man"),
    "ja": (("manpages-ja", "manpages-ja-dev"), "usr/share/man/ja"),
}
_APT_OPTIONS: Final = (
    "APT::Sandbox::User=root",
    "Acquire::Languages=en,ja",
    "Acquire::GzipIndexes=false",
    "Acquire::IndexTargets::deb::Packages::DefaultEnabled=false",
    "Dir::Cache::pkgcache=",
    "Dir::Cache::srcpkgcache=",
)
_SPACES: Final = re.compile(r"[ \t\u00a0]+")
_BLOCKS: Final = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "li", "tr", "div", "pre", "br", "td", "table"})


def titled_texts(name: str) -> dict[str, Titled]:
    """Return the texts of a collection (`lohelp`, `man` or `debpkg`) by language.

    Raises `BenchError` where its packages can't be had.
    """
    file = platformdirs.user_cache_path("fresh-context-bench") / CACHE / f"{name}.json"
    if not file.exists():
        print(f"Fetching the texts of {name} into {file} (once) ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as scratch:
            try:
                found = _FETCH[name](Path(scratch))
            except (OSError, subprocess.SubprocessError) as error:
                raise BenchError(f"The texts of {name} can't be had: {error}.") from error
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
        shutil.move(part, file)
    read = json.loads(file.read_text(encoding="utf-8"))
    return {language: {key: (title, text) for key, (title, text) in read[language].items()} for language in LANGUAGES}


def _unpacked(packages: tuple[str, ...], folder: Path) -> Path:
    folder.mkdir()
    for package in packages:
        run_command("apt-get", "download", "-q", package, folder=folder)
    for archive in folder.glob("*.deb"):
        run_command("dpkg-deb", "-x", str(archive), str(folder))
    return folder


def _help(scratch: Path) -> dict[str, Titled]:
    found: dict[str, Titled] = {}
    for language, (package, inside) in _HELP.items():
        texts = _unpacked((package,), scratch / language) / "usr/share/libreoffice/help" / inside / "text"
        pages = found[language] = {}
        for path in sorted(texts.rglob("*.html")):
            title, lines = help_page(path.read_text(encoding="utf-8"))
            # A page's title also stands above its text.
            pages[path.relative_to(texts).as_posix()] = title, "\n".join(line for line in lines if line != title)
    return found


def help_page(html: str) -> tuple[str, list[str]]:
    """Return the title of a page of LibreOffice's help and the lines of its text."""
    page = _HelpPage()
    page.feed(html)
    lines = (_SPACES.sub(" ", line).strip() for line in "".join(page.parts).split("\n"))
    return " ".join(page.title.split()), [line for line in lines if line]


class _HelpPage(HTMLParser):
    """Collects what lies between the two landmarks of a help page, without scripts, a line for each block."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.parts: list[str] = []
        self._in_title = False
        self._inside = False
        self._skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        landmark = dict(attrs).get("id")
        if landmark in {"DisplayArea", "SearchFrame", "DonationFrame"} or tag == "footer":
            self._inside = landmark == "DisplayArea"
        self._in_title = tag == "title"
        self._skipped += tag in {"script", "style", "nav"}
        if self._inside and tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False
        self._skipped -= tag in {"script", "style", "nav"}
        if self._inside and tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif self._inside and not self._skipped:
            self.parts.append(data.replace("\n", " "))


def _manuals(scratch: Path) -> dict[str, Titled]:
    found: dict[str, Titled] = {}
    for language, (packages, inside) in _MANUALS.items():
        folder = _unpacked(packages, scratch / language) / inside
        pages = found[language] = {}
        for path in sorted(folder.glob("man[1-8]/*.gz")):
            if path.is_symlink():
                continue
            if read := manual_page(gzip.decompress(path.read_bytes()).decode("utf-8", "replace")):
                pages[f"{path.parent.name}/{path.stem}"] = read
    return found


_REQUEST: Final = re.compile(r"[.']\s*([A-Za-z]*)\s*(.*)")
_FONT: Final = re.compile(r"\\f(?:\[[^\]]*\]|\(..|.)|\\s[-+]?\d|\\[&|^/,)%:]")
_CHARACTERS: Final = {
    r"\-": "-",
    r"\e": "\\",
    r"\(aq": "'",
    r"\(dq": '"',
    r"\(bu": "•",
    r"\(em": "—",
    r"\(en": "–",
    r"\(co": "©",
    r"\(lq": "“",
    r"\(rq": "”",
    r"\(oq": "‘",
    r"\(cq": "’",
    r"\(ti": "~",
    r"\(ha": "^",
    r"\(ga": "`",
    r"\ ": " ",
    r"\~": " ",
    r"\0": " ",
}
_LONGER: Final = re.compile(r"\\\[[^\]]*\]|\\\*?\(..|\\\*.|\\[a-z]'[^']*'")
_TEXT_REQUESTS: Final = frozenset("B I BI BR IB IR RB RI SM SB SS SH TP IP".split())
_DASH: Final = re.compile(r"\s+[-\u2010\u2013\u2014]+\s+")


def manual_page(source: str) -> tuple[str, str] | None:
    """Return what a manual page says it describes, and its text without that; None where it isn't told.

    Reads the `man` macros as far as a text to search needs them; pages in other macros are not read.
    """
    sections: list[tuple[str, list[str]]] = []
    skipping = False
    for line in source.splitlines():
        if line.startswith(("'\\\"", '.\\"', '\\"')):
            continue
        request = _REQUEST.fullmatch(line)
        name, rest = request.groups() if request else ("", line)
        if name in {"de", "ig", "TS"} or skipping:
            skipping = not line.startswith(("..", ".TE"))
            continue
        if request and name not in _TEXT_REQUESTS:
            if sections and name in {"PP", "LP", "P"}:
                sections[-1][1].append("")
            continue
        text = _plain(" ".join(rest.split('"')) if request else rest)
        if name == "SH":
            sections.append((text.strip(), []))
        elif sections:
            sections[-1][1].append(text.strip())
    if not sections or sections[0][0].strip() not in {"NAME", "名前", "名称"}:
        return None
    parts = _DASH.split(" ".join(sections[0][1]).strip(), maxsplit=1)
    if len(parts) < 2:
        return None
    body = "\n\n".join("\n".join([heading, *lines]) for heading, lines in sections[1:])
    return parts[1].strip(), re.sub(r"\n{3,}", "\n\n", body).strip()


def _plain(text: str) -> str:
    text = _FONT.sub("", text.partition('\\"')[0])
    for mark, character in _CHARACTERS.items():
        text = text.replace(mark, character)
    return _SPACES.sub(" ", _LONGER.sub("", text))


def _descriptions(scratch: Path) -> dict[str, Titled]:
    """Read the descriptions that apt offers in each language, from lists of its own, the system's left alone."""
    lists = scratch / "lists"
    (lists / "partial").mkdir(parents=True)
    options = [part for option in (f"Dir::State::Lists={lists}", *_APT_OPTIONS) for part in ("-o", option)]
    run_command("apt-get", "-q", *options, "update")
    found: dict[str, Titled] = {}
    for language in LANGUAGES:
        files = [path for path in lists.glob(f"*_main_i18n_Translation-{language}") if "-security" not in path.name]
        if not files:
            raise BenchError(f"apt brought no descriptions in the language {language!r}.")
        largest = max(files, key=lambda path: path.stat().st_size)
        found[language] = descriptions(largest.read_text(encoding="utf-8"))
    # The same package may have changed since it was translated: only what translates the same text is parallel.
    return found


def descriptions(listing: str) -> Titled:
    """Return summary and description by package and the digest of the English text, out of a Translation file."""
    found: Titled = {}
    for block in listing.split("\n\n"):
        name = re.search(r"^Package: (.*)$", block, re.MULTILINE)
        digest = re.search(r"^Description-md5: (.*)$", block, re.MULTILINE)
        text = re.search(r"^Description-[a-z]+: (.*)\n((?: .*\n?)*)", block, re.MULTILINE)
        if name and digest and text:
            lines = ("" if line.strip() == "." else line[1:] for line in text[2].rstrip("\n").split("\n"))
            found[f"{name[1]} {digest[1]}"] = text[1].strip(), "\n".join(lines).strip()
    return found


_FETCH: Final[dict[str, Callable[[Path], dict[str, Titled]]]] = {
    "lohelp": _help,
    "man": _manuals,
    "debpkg": _descriptions,
}
