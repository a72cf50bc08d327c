"""Headers of model files are strangers' bytes: read apart from the server, each at its own risk, and once."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import psutil
import pytest

from mcp_context_resources.models import card_reading
from mcp_context_resources.models.card_reading import read_card, read_cards
from mcp_context_resources.models.model_card import ModelCard, UnreadableModel
from mcp_context_resources.models.registry import Registry
from mcp_context_resources.models.settings import ModelSettings
from mcp_context_resources.workers.function import WorkerFunction
from mcp_context_resources.workspace.catalogue import Catalogue
from tests.support.model_files import chat_model, gguf, text, write_split
from tests.support.serving import connect, data_of, error_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.anyio

_NO_KEYS = struct.pack("<4sIQQ", b"GGUF", 3, 0, 1)
HOSTILE = {
    "truncated.gguf": (chat_model()[:-40], "40 of"),
    "forged.gguf": (gguf({}, tensor_count=1 << 60), "tensors"),
    "enormous.gguf": (_NO_KEYS + text("a") + struct.pack("<IIQ", 9, 12, 60_000_000) + bytes(70 << 20), "no end"),
    "many_texts.gguf": (_NO_KEYS + text("a") + struct.pack("<IIQ", 9, 8, 60_000_000), "more than 2,000,000 texts"),
    "a_page.gguf": (b"<!DOCTYPE html>", "a web page"),
}


async def test_files_that_are_no_models_are_told_and_the_others_work(tmp_path: Path, cache: Path) -> None:
    for name, (made, _) in HOSTILE.items():
        (tmp_path / name).write_bytes(made)
    (tmp_path / "chat.gguf").write_bytes(chat_model())
    models = {"starter": False, "folder": tmp_path / "none"}
    async with connect(tmp_path, cache=cache, models=models) as client:
        listed = data_of(await client.call_tool("list_sources", {"kind": "model"}))["sources"]
        assert {source["name"] for source in listed} == {"chat.gguf", *HOSTILE}
        for name, (_, told) in HOSTILE.items():
            asked = {"task": "generate", "prompt": "hello", "model": name}
            assert told in error_of(await client.call_tool("run_model", asked))["message"]
        (content,) = (await client.read_resource("model://chat.gguf")).contents
        assert '"architecture"' in getattr(content, "text", "")


async def test_a_header_that_kills_its_reader_is_told_of_its_file_alone(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fatal: WorkerFunction[list[ModelCard | UnreadableModel], Sequence[tuple[str, str]]]
    fatal = WorkerFunction("tests.support.worker_jobs:cards_unless_fatal")
    monkeypatch.setattr(card_reading, "_READ_CARDS", fatal)
    for name in ("alpha.gguf", "beta.gguf", "fatal.gguf", "gamma.gguf"):
        (tmp_path / name).write_bytes(chat_model(general__name=name))
    models = {"starter": False, "folder": tmp_path / "none"}
    async with connect(tmp_path, cache=cache, models=models) as client:
        listed = data_of(await client.call_tool("list_sources", {"kind": "model"}))["sources"]
        assert len(listed) == 4
        (content,) = (await client.read_resource("model://fatal.gguf")).contents
        assert "The model card worker" in getattr(content, "text", "")
        for name in ("alpha.gguf", "beta.gguf", "gamma.gguf"):
            (content,) = (await client.read_resource(f"model://{name}")).contents
            assert "problem" not in getattr(content, "text", "problem")


def test_the_parts_of_a_model_are_read_and_counted_together(tmp_path: Path) -> None:
    card = read_card(write_split(tmp_path, "large", 3)[0])
    whole = read_cards([(path, path.name) for path in sorted(tmp_path.iterdir())])
    assert card.parts == 3
    assert card.parameters
    assert [found.parameters for found in whole if isinstance(found, ModelCard)] == [card.parameters] * 3


def test_where_there_are_no_models_no_process_is_started(tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    registry = Registry(ModelSettings(starter=False, folder=tmp_path / "none"), tmp_path / "cache")
    assert registry.models(Catalogue(())) == []
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


@pytest.mark.slow
def test_what_was_read_is_kept_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "chat.gguf"
    file.write_bytes(chat_model(general__name="first"))
    settings = ModelSettings(files=(file,), starter=False, folder=tmp_path / "none")

    def titles() -> list[str]:
        registry = Registry(settings, tmp_path / "cache")
        return [card.name for _, card in registry.cards(registry.models(Catalogue(())))]

    assert titles() == ["first"]
    (kept,) = (tmp_path / "cache" / "model_cards").iterdir()
    with monkeypatch.context() as patched:
        nobody: WorkerFunction[list[ModelCard | UnreadableModel], Sequence[tuple[str, str]]]
        nobody = WorkerFunction("tests.support.worker_jobs:no_such_reader")
        patched.setattr(card_reading, "_READ_CARDS", nobody)
        assert titles() == ["first"]
    file.write_bytes(chat_model(general__name="second"))
    assert titles() == ["second"]
    for damaged in (b"", b"{", b"[]", b'{"name": 1, "wings": 2}'):
        for card in (tmp_path / "cache" / "model_cards").iterdir():
            card.write_bytes(damaged)
        assert titles() == ["second"]
    assert kept.exists()
