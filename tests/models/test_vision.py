"""Pictures and models: seen, counted, refused where they are none, never fatal.

The models are tiny and random (`tests.support.vision_model`): what they write has no meaning, but it is llama.cpp that
loads them, prepares the pictures and evaluates both.
"""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import struct
import zlib
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import pytest
from llama_cpp import llama_pos, mtmd_cpp

from mcp_context_resources.errors import InvalidInputError, ModelUnavailableError, PromptTooLongError
from mcp_context_resources.models.formats import MODEL_FORMATS
from mcp_context_resources.models.llama import loaded_model, pictures, vision
from mcp_context_resources.models.llama.projector import Projector
from mcp_context_resources.models.local_runtime import GENERATE
from mcp_context_resources.models.service import Models
from mcp_context_resources.models.settings import ModelSettings
from mcp_context_resources.models.spec import Generation, ModelSpec
from mcp_context_resources.workers.job import CallBoard, Job
from mcp_context_resources.workspace.settings import WorkspaceSettings
from mcp_context_resources.workspace.workspace import Workspace
from tests.support.vision_model import CONTEXT, Kind, picture, write_model, write_projector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from mcp_context_resources.models.spec import Generated

pytestmark = pytest.mark.model

PICTURE = picture(1)
OTHER = picture(2)
YES = {"type": "object", "properties": {"seen": {"enum": ["yes"]}}, "required": ["seen"], "additionalProperties": False}


class WatchedJob(Job):
    """Remembers its progress, and asks itself to stop when it was asked `stop_after` times whether to go on."""

    def __init__(self, *, stop_after: int | None = None) -> None:
        self._shared = CallBoard(multiprocessing.get_context("spawn"))
        super().__init__(self._shared, 60)
        self.seen: list[tuple[float, float]] = []
        self.asked = 0
        self._stop_after = stop_after

    @property
    def should_stop(self) -> bool:
        self.asked += 1
        if self.asked == self._stop_after:
            self._shared.request_stop()
        return super().should_stop

    def progress(self, done: float, total: float = 0.0) -> None:
        self.seen.append((done, total))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with models that see, each in a folder of its own, and one that is blind."""
    folder = tmp_path_factory.mktemp("models")
    kinds: tuple[Kind, ...] = ("llava", "qwen2vl", "gemma3")
    for kind in kinds:
        (folder / kind).mkdir()
        write_model(folder / kind / f"{kind}.gguf", kind)
        write_projector(folder / kind / f"mmproj-{kind}.gguf", kind)
    yield folder
    loaded_model.release()


def spec_of(folder: Path, kind: Kind = "llava") -> ModelSpec:
    path = folder / kind / f"{kind}.gguf"
    return ModelSpec(
        f"{kind}.gguf", str(path), "1", CONTEXT, 1, 0, sequences=4, projector=str(path.with_name(f"mmproj-{kind}.gguf"))
    )


def about(*shown: bytes, user: str = "What is this?", max_tokens: int = 12) -> Generation:
    return Generation("You look at pictures.", user, max_tokens, pictures=shown)


def generate(spec: ModelSpec, *requests: Generation, job: Job | None = None) -> list[Generated]:
    return GENERATE(job or WatchedJob(), spec, requests)


def png(width: int, height: int, packed: bytes, *, colour: int = 2) -> bytes:
    """Write a PNG by hand, whatever its compressed pixels are."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["llava", "qwen2vl"])
def test_another_picture_gives_another_answer_and_the_same_picture_the_same(folder: Path, kind: Kind) -> None:
    spec = spec_of(folder, kind)
    answers = [generate(spec, about(shown))[0].text for shown in (PICTURE, OTHER, PICTURE)]
    assert answers[0] == answers[2]
    assert answers[0] != answers[1]


@pytest.mark.parametrize(
    ("kind", "around", "each"),
    # In this vocabulary each character is a token, and a space begins every piece: of a line's end, and of the marks.
    [("llava", 2, 16), ("qwen2vl", 2 + len(" <|vision_start|> <|vision_end|>"), 9)],
)
def test_the_tokens_of_pictures_are_counted(folder: Path, kind: Kind, around: int, each: int) -> None:
    one, two, three = (generate(spec_of(folder, kind), about(*[PICTURE] * count))[0] for count in (1, 2, 3))
    assert two.prompt_tokens - one.prompt_tokens == around + each
    assert three.prompt_tokens - two.prompt_tokens == around + each
    assert one.completion_tokens == 12


@pytest.mark.parametrize("kind", ["llava", "qwen2vl"])
def test_a_prompt_is_read_just_as_the_library_reads_it(folder: Path, kind: Kind) -> None:
    model = loaded_model.held(spec_of(folder, kind))
    projector = model.attached(Projector)
    prompt = vision.Prompt(about(PICTURE, picture(3, width=200, height=120), user="x" * 600), model)
    try:
        prompt.prepare(model, projector)
        model.forget()
        position, place = prompt.read(WatchedJob(), model, projector, lambda _: None)
        ours = model.logits(place).copy()
        model.forget()
        behind = llama_pos(0)
        for number, piece in enumerate(prompt.pieces, start=1):
            last = number == len(prompt.pieces)
            code = mtmd_cpp.mtmd_helper_eval_chunk_single(
                projector.native, model.context, piece, behind.value, 0, 512, last, ctypes.byref(behind)
            )
            assert code == 0
        np.testing.assert_allclose(ours, model.logits(-1), atol=1e-4)
        assert position == behind.value
    finally:
        prompt.put_away()
        model.forget()


def test_a_jpeg_is_seen_too(folder: Path) -> None:
    answers = {generate(spec_of(folder), about(picture(seed, form="JPEG")))[0].text for seed in (1, 2)}
    assert len(answers) == 2


def test_words_before_and_after_pictures_are_answered_as_if_there_had_been_none(folder: Path) -> None:
    spec = spec_of(folder)
    [before] = generate(spec, about())
    generate(spec, about(PICTURE))
    [after] = generate(spec, about())
    assert after.text == before.text
    assert after.held_tokens == 0


def test_several_requests_are_answered_in_order_each_as_if_alone(folder: Path) -> None:
    spec = spec_of(folder)
    requests = [about(PICTURE), about(), about(OTHER), about(OTHER, PICTURE)]
    job = WatchedJob()
    together = [answer.text for answer in generate(spec, *requests, job=job)]
    assert together[0] != together[2] != together[3]
    assert together == [generate(spec, request)[0].text for request in (requests[0], about(), *requests[2:])]
    done = [seen for seen, _ in job.seen]
    assert done == sorted(done)
    assert len({total for _, total in job.seen}) == 1
    assert done[-1] < job.seen[0][1]


def test_an_answer_about_a_picture_can_be_held_to_a_schema(folder: Path) -> None:
    request = replace(about(PICTURE, max_tokens=60), json_schema=YES)
    assert json.loads(generate(spec_of(folder), request)[0].text) == {"seen": "yes"}


def test_a_document_can_not_pretend_to_hold_a_picture(folder: Path) -> None:
    marker = mtmd_cpp.mtmd_default_marker().decode()
    [plain] = generate(spec_of(folder), about(PICTURE, user=""))
    [marked] = generate(spec_of(folder), about(PICTURE, user=marker))
    assert marked.prompt_tokens - plain.prompt_tokens == len(marker)


def test_a_stop_in_the_middle_of_a_picture_is_heeded_there(folder: Path) -> None:
    spec = spec_of(folder, "qwen2vl")
    whole = WatchedJob()
    large = about(picture(1, width=300, height=300), max_tokens=1)
    generate(spec, large, job=whole)
    stopping = WatchedJob(stop_after=whole.asked // 2)
    [answer] = generate(spec, large, job=stopping)
    assert answer.finish == "cancelled"
    assert answer.text == ""
    assert stopping.seen[-1][0] < answer.prompt_tokens / 2
    assert stopping.asked < whole.asked * 2 // 3
    [again] = generate(spec, large)
    assert again.finish == "length"


def test_a_stop_while_writing_returns_what_was_written(folder: Path) -> None:
    spec = spec_of(folder)
    whole = WatchedJob()
    [complete] = generate(spec, about(PICTURE, max_tokens=40), job=whole)
    answers = generate(spec, about(PICTURE, max_tokens=40), about(OTHER), job=WatchedJob(stop_after=whole.asked - 10))
    assert [answer.finish for answer in answers] == ["cancelled", "cancelled"]
    assert 0 < answers[0].completion_tokens < complete.completion_tokens
    assert complete.text.startswith(answers[0].text)
    assert answers[1].completion_tokens == 0


def test_a_model_without_a_projector_says_that_it_is_blind(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="no vision model") as caught:
        generate(replace(spec_of(folder), projector=""), about(PICTURE))
    assert "mmproj" in caught.value.hint


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: write_projector(path, width=128), "n_embd = 128"),
        (lambda path: path.write_bytes(b"<html>not found</html>"), "strange.gguf"),
        (lambda path: path.write_bytes(write_projector(path).read_bytes()[:9_000]), "strange.gguf"),
        (write_model, "strange.gguf"),
        (lambda path: path.unlink(missing_ok=True), "strange.gguf"),
    ],
)
def test_a_projector_that_is_none_for_this_model_is_told(
    folder: Path, tmp_path: Path, make: Callable[[Path], Any], says: str
) -> None:
    path = tmp_path / "strange.gguf"
    make(path)
    spec = replace(spec_of(folder), projector=str(path))
    with pytest.raises(ModelUnavailableError, match=says) as caught:
        generate(spec, about(PICTURE))
    assert str(tmp_path) not in str(caught.value)
    assert generate(spec, about())[0].completion_tokens == 12


def test_a_template_without_a_place_for_pictures_is_told(folder: Path, tmp_path: Path) -> None:
    path = write_model(tmp_path / "mute.gguf", template="Say something:")
    with pytest.raises(ModelUnavailableError, match="no place for pictures"):
        generate(replace(spec_of(folder), path=str(path)), about(PICTURE))


@pytest.mark.slow
def test_pictures_beyond_the_context_are_a_prompt_that_is_too_long(folder: Path) -> None:
    large = picture(1, width=800, height=800)
    spec = spec_of(folder, "qwen2vl")
    assert generate(spec, about(large, max_tokens=1))[0].prompt_tokens > 700
    with pytest.raises(PromptTooLongError, match=f"{CONTEXT:,}"):
        generate(spec, about(*[large] * 8))


def test_a_picture_that_must_be_read_whole_and_is_too_large_for_that_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="1,024 tokens"):
        generate(spec_of(folder, "gemma3"), about(PICTURE))


BOMB = zlib.compress(bytes(64 << 20), 9)
NO_PICTURES: dict[str, bytes] = {
    "nothing": b"",
    "words": b"dear reader",
    "a sound": b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(40),
    "another format": picture(1, form="BMP"),
    "a cut PNG": PICTURE[:-2_000],
    "a PNG's first bytes": PICTURE[:20],
    "a PNG of nothing": png(0, 8, zlib.compress(b"")),
    "a PNG that inflates": png(8, 8, BOMB),
    "a PNG of no colours": png(8, 8, zlib.compress(bytes(25 * 8)), colour=9),
    "a PNG with rubbish for pixels": png(8, 8, b"rubbish"),
    "a PNG with too few pixels": png(80, 80, zlib.compress(bytes(25 * 8))),
    "a cut JPEG": picture(1, form="JPEG")[:-20],
    "a JPEG cut in its head": picture(1, form="JPEG")[:150],
    "a JPEG's first bytes": b"\xff\xd8\xff",
    "a JPEG without a frame": b"\xff\xd8\xff\xe0\x00\x04ab\xff\xd9",
    "a JPEG with rubbish": b"\xff\xd8\xff\xe0\x00\x04ab" + b"rubbish" * 50,
    "a JPEG in endless scans": picture(1, form="JPEG")[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 200,
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_is_refused_before_the_model_works(folder: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match="Picture 2 is no readable PNG or JPEG") as caught:
        generate(spec_of(folder), about(PICTURE, NO_PICTURES[name]))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        ((PICTURE,) * 17, "17 pictures"),
        ((png(9_000, 10, b""),), "9,000 × 10"),
        ((png(8_000, 8_000, zlib.compress(b"")),), "8,000 × 8,000"),
        ((png(2_000, 4, zlib.compress(bytes(6_001 * 4))),), "2,000 × 4"),
        ((PICTURE + bytes(pictures.MAX_BYTES),), "MB"),
    ],
)
def test_pictures_too_many_or_too_large_are_refused(folder: Path, shown: tuple[bytes, ...], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        generate(spec_of(folder), about(*shown))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 90), (400, 4), (33, 7)])
@pytest.mark.parametrize("kind", ["llava", "qwen2vl"])
def test_odd_sizes_are_seen(folder: Path, kind: Kind, width: int, height: int) -> None:
    assert generate(spec_of(folder, kind), about(picture(1, width=width, height=height)))[0].completion_tokens == 12


@asynccontextmanager
async def models_of(folder: Path, cache: Path, **settings: Any) -> AsyncIterator[tuple[Models, Workspace]]:
    workspace = Workspace(WorkspaceSettings(roots=(folder,)), {"model": MODEL_FORMATS})
    models = Models(workspace, ModelSettings(starter=False, threads=1, gpu_layers=0, **settings), cache, 1 << 30)
    try:
        yield models, workspace
    finally:
        await models.aclose()


@pytest.mark.anyio
async def test_in_its_confined_process_a_model_found_by_its_role_sees(folder: Path, cache: Path) -> None:
    async with models_of(folder / "llava", cache) as (models, workspace):
        choice = await models.choose(workspace.catalogue(), "vision")
        assert choice.source.name == "llava.gguf"
        answers = await models.generate(choice, [about(PICTURE), about(OTHER)])
        [alone] = await models.generate(choice, [about(PICTURE)])
        with pytest.raises(InvalidInputError, match="no readable PNG or JPEG"):
            await models.generate(choice, [about(b"no picture")])
    assert alone.text == answers[0].text != answers[1].text


@pytest.mark.slow
@pytest.mark.anyio
async def test_after_a_cancelled_answer_about_a_picture_the_model_sees_again(folder: Path, cache: Path) -> None:
    long = about(PICTURE, max_tokens=3_000)
    running = anyio.Event()

    async def note(_done: float, _total: float) -> None:
        running.set()

    async with models_of(folder / "llava", cache) as (models, workspace):
        choice = await models.choose(workspace.catalogue(), "vision")
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: models.generate(choice, [long], on_progress=note))
            await running.wait()
            group.cancel_scope.cancel()
        [answer] = await models.generate(choice, [about(PICTURE)])
    assert answer.completion_tokens == 12
