"""Labelled texts out of public packages, fetched once into the user's cache folder; nothing of them is committed.

Opinions: sentences of product reviews that twenty people each rated from -4 to 4, in the source distribution of
vaderSentiment (MIT; Hutto and Gilbert, ICWSM 2014). Help pages: the same pages of LibreOffice's help (MPL-2.0) in
English and Japanese, from Debian's packages; the folder of a page tells the program it is about.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import platformdirs

from bench.measure import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable

_FOLDER: Final = "labelled-texts-1"
_SECONDS: Final = 300.0
_VADER: Final = "vaderSentiment==3.3.2 --hash=sha256:5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9\n"
_INNER: Final = "hutto_ICWSM_2014.tar.gz"
_RATINGS: Final = "amazonReviewSnippets_GroundTruth.txt"
_CLEAR_RATING: Final = 1.5
_HELP: Final = {"en": ("libreoffice-help-en-us", "en-US"), "ja": ("libreoffice-help-ja", "ja")}
_PROGRAMS: Final = {
    "scalc": {"en": "spreadsheets", "ja": "表計算"},
    "swriter": {"en": "word processing", "ja": "文書作成"},
    "simpress": {"en": "presentations", "ja": "プレゼンテーション"},
    "sbasic": {"en": "programming", "ja": "プログラミング"},
}
_LEAST_CHARS: Final = 60
_MOST_CHARS: Final = 240
_KANA_OR_KANJI: Final = re.compile(r"[\u3041-\u30ff\u3400-\u9fff]")
_TRANSLATED_SHARE: Final = 0.4
_SEED: Final = 20_261_122


@dataclass(frozen=True, slots=True)
class Labelled:
    """Distinct texts, each with the label that people gave it, in an order drawn by lot (always the same).

    Any stretch of `len(labels)` texts that begins at a multiple of that has each label once.
    """

    title: str
    labels: tuple[str, ...]
    texts: tuple[str, ...]
    truths: tuple[str, ...]

    def part(self, start: int, count: int) -> Labelled:
        """Return `count` texts from the position `start` on.

        Raises `BenchError` when there aren't as many.
        """
        end = start + count
        if end > len(self.texts):
            raise BenchError(f"{self.title} has only {len(self.texts)} texts of these labels.")
        return Labelled(self.title, self.labels, self.texts[start:end], self.truths[start:end])


def opinions() -> Labelled:
    """Return sentences that people clearly found positive or negative.

    Raises `BenchError` when the package can't be had.
    """
    found = _once("opinions", _fetch_opinions)
    return _balanced("product reviews, English", ("positive", "negative"), found)


def help_pages(language: str) -> Labelled:
    """Return the beginnings of help pages in a language (`en` or `ja`), labelled by what the program is for.

    Raises `BenchError` when the packages can't be had.
    """
    found = _once(f"help-{language}", lambda folder: _fetch_help(folder, language))
    name = {"en": "English", "ja": "Japanese"}[language]
    return _balanced(f"help pages, {name}", tuple(names[language] for names in _PROGRAMS.values()), found)


def _balanced(title: str, labels: tuple[str, ...], found: list[tuple[str, str]]) -> Labelled:
    """Draw texts by lot, of every label as many; texts that occur with two labels are left out."""
    truths: dict[str, str] = {}
    for text, label in found:
        truths[text] = label if truths.get(text, label) == label else ""
    by_label = [[text for text, truth in truths.items() if truth == label] for label in labels]
    for number, texts in enumerate(by_label):
        Random(_SEED + number).shuffle(texts)
    pairs: list[tuple[str, str]] = []
    for number, one_of_each in enumerate(zip(*by_label, strict=False)):
        drawn = list(zip(one_of_each, labels, strict=True))
        Random(_SEED + number).shuffle(drawn)
        pairs += drawn
    return Labelled(title, labels, tuple(text for text, _ in pairs), tuple(label for _, label in pairs))


def _once(name: str, fetch: Callable[[Path], list[tuple[str, str]]]) -> list[tuple[str, str]]:
    file = platformdirs.user_cache_path("fresh-context-bench") / _FOLDER / f"{name}.json"
    if not file.exists():
        print(f"Fetching labelled texts into {file} (once) ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as scratch:
            found = fetch(Path(scratch))
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
        shutil.move(part, file)
    return [(text, label) for text, label in json.loads(file.read_text(encoding="utf-8"))]


def _fetch_opinions(folder: Path) -> list[tuple[str, str]]:
    requirements = folder / "requirements.txt"
    requirements.write_text(_VADER, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    _run(*pip, "--require-hashes", "-r", str(requirements), folder=folder)
    archive = next(folder.glob("*.tar.gz"))
    with tarfile.open(archive) as outer, tarfile.open(fileobj=io.BytesIO(_member(outer, _INNER))) as inner:
        lines = _member(inner, _RATINGS).decode("utf-8", "replace").splitlines()
    found = []
    for line in lines:
        _, rating, text = line.split("\t", 2)
        if abs(float(rating)) >= _CLEAR_RATING:
            found.append((" ".join(text.split()), "positive" if float(rating) > 0 else "negative"))
    return found


def _member(archive: tarfile.TarFile, ending: str) -> bytes:
    for member in archive:
        if member.isfile() and member.name.endswith(ending):
            file = archive.extractfile(member)
            if file is not None:
                return file.read()
    raise BenchError(f"There is no {ending} in the package.")


def _fetch_help(folder: Path, language: str) -> list[tuple[str, str]]:
    """Read the pages that both languages have enough text on; many aren't translated, or hardly."""
    pages = {}
    for name, (package, inside) in _HELP.items():
        _run("apt-get", "download", package, folder=folder)
        _run("dpkg-deb", "-x", str(next(folder.glob(f"{package}_*.deb"))), str(folder / name), folder=folder)
        texts = folder / name / "usr" / "share" / "libreoffice" / "help" / inside / "text"
        pages[name] = {
            path.relative_to(texts).as_posix(): _page_text(path.read_text(encoding="utf-8"))
            for program in _PROGRAMS
            for path in sorted((texts / program).rglob("*.html"))
        }
    shown = {name: {path: text[:_MOST_CHARS] for path, text in found.items()} for name, found in pages.items()}
    return [
        (text, _PROGRAMS[path.partition("/")[0]][language])
        for path, text in shown[language].items()
        if all(len(shown[name].get(path, "")) >= _LEAST_CHARS for name in _HELP) and _is_translated(shown["ja"][path])
    ]


def _is_translated(text: str) -> bool:
    return len(_KANA_OR_KANJI.findall(text)) >= _TRANSLATED_SHARE * len(text)


class _Page(HTMLParser):
    """Collects the words of a help page: what lies between its two landmarks, without scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._inside = False
        self._skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        landmark = dict(attrs).get("id")
        if landmark in {"DisplayArea", "SearchFrame"}:
            self._inside = landmark == "DisplayArea"
        self._skipped += tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self._skipped -= tag in {"script", "style"}

    def handle_data(self, data: str) -> None:
        if self._inside and not self._skipped:
            self.words += data.split()


def _page_text(html: str) -> str:
    page = _Page()
    page.feed(html)
    return " ".join(page.words)


def _run(*command: str, folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        raise BenchError(f"{command[0]} failed: {' '.join(str(reason).split())[-200:]}") from error
