"""`fresh-context index`, `search` and `context` make folders searchable and search them, from a terminal."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from mcp_server.cli.main import main
from mcp_server.cli.progress import StepsLine, shown
from tests.support.files import pdf

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with an English and a Japanese file and a broken one, and a cache of its own."""
    monkeypatch.setenv("FRESH_CONTEXT_STORAGE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("FRESH_CONTEXT_MODELS_STARTER", "false")
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "handbook.pdf").write_bytes(pdf("Lost property is kept for thirty days."))
    (folder / "案内.txt").write_text("忘れ物は三十日間保管します。\n", encoding="utf-8")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")
    return folder


@pytest.mark.slow
def test_a_folder_is_indexed_searched_and_forgotten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", str(folder)]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"2 of 3 sources are searchable in {folder}: 2 passages")
    assert "These couldn't be read:\n  broken.pdf: " in told

    assert main(["search", "lost", "property", "--in", str(folder), "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert [hit["source"] for hit in hits] == ["handbook.pdf"]

    assert main(["search", "忘れ物", "--in", str(folder), "--source", "*.txt"]) == 0
    assert "三十日間" in capsys.readouterr().out

    assert main(["context", "How long is lost property kept?", "--in", str(folder), "--max-tokens", "300"]) == 0
    assert "thirty days" in capsys.readouterr().out

    assert main(["search", "property", "--in", str(folder), "--source", "handbok.pdf"]) == 1
    assert "handbook.pdf" in capsys.readouterr().err

    assert main(["index", str(folder), "--drop", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"dropped": 3}


@pytest.mark.slow
def test_the_folder_one_is_in_is_searched_where_none_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert main(["search", "thirty days", "--k", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hits"][0]["source"] == "handbook.pdf"


@pytest.mark.slow
def test_a_word_with_a_minus_excludes_and_is_no_option(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "draft.txt").write_text("Lost property, a draft about help.\n", encoding="utf-8")
    for words in (["lost", "-draft"], ["-draft", "lost"], ["lost", "-help"], ["--k", "3", "--json", "-draft", "lost"]):
        assert main(["search", *words, "--in", str(folder), *([] if "--json" in words else ["--json"])]) == 0
        assert [hit["source"] for hit in json.loads(capsys.readouterr().out)["hits"]] == ["handbook.pdf"]
    assert main(["search", "-draft", "--in", str(folder)]) == 1
    assert "Give a word to look for" in capsys.readouterr().err
    assert main(["context", "How long is lost property kept?", "-draft", "--in", str(folder)]) == 0
    assert "thirty days" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["search", "-h"])
    assert "examples:" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["search", "lost", "--drft"])
    assert "unrecognized arguments: --drft" in capsys.readouterr().err


def test_a_folder_in_place_of_a_word_is_told_how_to_be_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["search", str(folder), "ferry"])
    assert f"write --in {folder} to search in it" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_told_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "property", "--in", str(folder / "gone")]) == 1
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["index", "search", "context"])
def test_the_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"  fresh-context {command} " in capsys.readouterr().out


@pytest.mark.anyio
async def test_progress_on_a_terminal_is_one_line_that_is_taken_away() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with StepsLine(stream) as line:
        await line(3, 12, "reading \x1b[31m報告書.pdf (4 of 12 files)")
    written = stream.getvalue()
    assert "[######..................] 25 %: reading  [31m報告書.pdf (4 of 12 files)" in written
    assert written.count("\n") == 0
    assert written.endswith("\r\x1b[K")


def test_what_would_steer_a_terminal_is_not_shown() -> None:
    assert shown("a\x1b]0;x\x07b\u202ec") == "a ]0;x b c"
    assert shown("案内" * 10, 10) == "案内案内…"
