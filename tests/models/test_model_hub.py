"""Pulling models from a hub: a real HTTP server on this machine that answers as the hub does, or badly."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import filelock
import pytest

from mcp_context_resources.errors import (
    AccessDeniedError,
    BusyError,
    ContextError,
    InvalidInputError,
    ModelUnavailableError,
    NotFoundError,
    StorageError,
)
from mcp_context_resources.models import hub
from mcp_context_resources.models.hub_files import HubFile, parse_wish, quantization_of, wanted_files
from tests.models.test_model_registry import fresh_context
from tests.support.model_files import chat_model, projector

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = chat_model(padding=["x" * 1000] * 300)


class FakeHub:
    """What the hub has and how it behaves: repositories of files, and where and how often connections break."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.told: dict[str, bytes] = {}
        self.cut_after: int | None = None
        self.cuts = 0
        self.ignores_range = False
        self.info_answer: tuple[int, dict[str, str], bytes] | None = None
        self.file_status: int | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    def info(self) -> bytes:
        siblings = [
            {
                "rfilename": name,
                "size": len(content),
                "blobId": "0" * 40,
                "lfs": {
                    "size": len(content),
                    "sha256": hashlib.sha256(self.told.get(name, content)).hexdigest(),
                    "pointerSize": 130,
                },
            }
            for name, content in self.files.items()
        ]
        plain = {"rfilename": "README.md", "size": 10, "blobId": "1" * 40}
        return json.dumps({"id": "someone/some-GGUF", "sha": COMMIT, "siblings": [plain, *siblings]}).encode()

    def ranges(self) -> list[str]:
        """Return the ranges of the file requests so far, "" for a whole file."""
        return [headers.get("Range", "") for path, headers in self.requests if "/resolve/" in path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeHub

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.fake.requests.append((path, dict(self.headers)))
        if path.startswith("/api/models/"):
            if self.fake.info_answer is not None:
                self.answer(*self.fake.info_answer)
            elif path.startswith("/api/models/someone/some-GGUF"):
                self.answer(200, {"Content-Type": "application/json"}, self.fake.info())
            else:
                self.answer(404, {"X-Error-Code": "RepoNotFound"}, b"{}")
            return
        found = re.fullmatch(rf"/someone/some-GGUF/resolve/{COMMIT}/(.+)", path)
        if self.fake.file_status is not None:
            self.answer(self.fake.file_status, {}, b"")
        elif found is None or found[1] not in self.fake.files:
            self.answer(404, {"X-Error-Code": "EntryNotFound"}, b"")
        else:
            self.send_part(self.fake.files[found[1]])

    def send_part(self, content: bytes) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and not self.fake.ignores_range else 0
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.fake.cut_after is not None and self.fake.cuts > 0:
            self.fake.cuts -= 1
            self.wfile.write(body[: self.fake.cut_after])
            self.close_connection = True
            return
        self.wfile.write(body)

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(fake: FakeHub) -> Iterator[str]:
    handler = type("BoundHandler", (Handler,), {"fake": fake})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    made = FakeHub()
    made.files["some-Q4_K_M.gguf"] = MODEL
    for name in ("HF_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hub, "_WAITS", (0.0, 0.0, 0.0))
    with serving(made) as url:
        made.url = url
        monkeypatch.setenv("HF_ENDPOINT", url)
        yield made


@pytest.mark.slow
def test_a_model_is_fetched_checked_and_told_about_as_it_comes(tmp_path: Path, fake: FakeHub) -> None:
    seen: list[tuple[str, int, int]] = []
    pulled = hub.pull("hf:someone/some-GGUF", tmp_path, lambda *progress: seen.append(progress))
    assert pulled.files == (tmp_path / "someone" / "some-GGUF" / "some-Q4_K_M.gguf",)
    assert pulled.files[0].read_bytes() == MODEL
    assert pulled.revision == COMMIT
    assert seen[-1] == ("some-Q4_K_M.gguf", len(MODEL), len(MODEL))
    assert [path.name for path in pulled.files[0].parent.iterdir()] == ["some-Q4_K_M.gguf"]
    assert all("Authorization" not in headers and "authorization" not in headers for _, headers in fake.requests)

    again = hub.pull("hf:someone/some-GGUF", tmp_path)
    assert again.already_there
    assert len(fake.ranges()) == 1


@pytest.mark.slow
def test_a_token_is_sent_only_when_the_user_set_one(
    tmp_path: Path, fake: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.pull("hf:someone/some-GGUF", tmp_path)
    sent = [{name.lower(): value for name, value in headers.items()} for _, headers in fake.requests]
    assert [headers["authorization"] for headers in sent] == ["Bearer hf_secret"] * 2


@pytest.mark.slow
def test_a_broken_connection_is_taken_up_where_it_broke(tmp_path: Path, fake: FakeHub) -> None:
    fake.cut_after, fake.cuts = 100_000, 2
    pulled = hub.pull("hf:someone/some-GGUF", tmp_path)
    assert pulled.files[0].read_bytes() == MODEL
    assert fake.ranges() == ["", "bytes=100000-", "bytes=200000-"]


@pytest.mark.slow
def test_a_pull_that_was_given_up_goes_on_with_the_next(tmp_path: Path, fake: FakeHub) -> None:
    fake.cut_after, fake.cuts = 100_000, 1
    calls = iter([None])

    def stop(_file: str, _done: int, _total: int) -> None:
        next(calls, None)
        fake.file_status = 503

    with pytest.raises(ModelUnavailableError, match=r"broke after 100,000 of .*: the hub answered 503") as caught:
        hub.pull("hf:someone/some-GGUF", tmp_path, stop)
    assert "goes on where it stopped" in caught.value.hint
    assert not list(tmp_path.rglob("*.gguf"))
    fake.file_status = None
    assert hub.pull("hf:someone/some-GGUF", tmp_path).files[0].read_bytes() == MODEL
    assert fake.ranges()[-1] == "bytes=100000-"


@pytest.mark.slow
def test_a_server_that_does_not_resume_sends_all_again(tmp_path: Path, fake: FakeHub) -> None:
    fake.cut_after, fake.cuts, fake.ignores_range = 100_000, 1, True
    assert hub.pull("hf:someone/some-GGUF", tmp_path).files[0].read_bytes() == MODEL


def test_a_wrong_checksum_is_told_and_nothing_is_kept(tmp_path: Path, fake: FakeHub) -> None:
    fake.told["some-Q4_K_M.gguf"] = b"another"
    with pytest.raises(ModelUnavailableError, match="SHA-256"):
        hub.pull("hf:someone/some-GGUF", tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size]


@pytest.mark.slow
def test_what_is_no_gguf_is_refused_even_with_the_right_checksum(tmp_path: Path, fake: FakeHub) -> None:
    fake.files["some-Q4_K_M.gguf"] = b"<html>" + bytes(100)
    with pytest.raises(ModelUnavailableError, match=r"some-Q4_K_M\.gguf' is a web page"):
        hub.pull("hf:someone/some-GGUF", tmp_path)
    assert not list(tmp_path.rglob("*.gguf"))


@pytest.mark.slow
def test_a_projector_and_all_parts_come_along(tmp_path: Path, fake: FakeHub) -> None:
    part = chat_model()
    fake.files = {
        "Q8_0/big-Q8_0-00001-of-00002.gguf": part,
        "Q8_0/big-Q8_0-00002-of-00002.gguf": part,
        "small-Q4_0.gguf": part,
        "mmproj-big-F32.gguf": projector(64),
        "mmproj-big-F16.gguf": projector(64),
    }
    pulled = hub.pull("hf:someone/some-GGUF:q8_0", tmp_path)
    assert [path.name for path in pulled.files] == [
        "big-Q8_0-00001-of-00002.gguf",
        "big-Q8_0-00002-of-00002.gguf",
        "mmproj-big-F16.gguf",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        ((404, {"X-Error-Code": "RepoNotFound"}, b"{}"), NotFoundError, "no public repository"),
        ((401, {}, b"{}"), NotFoundError, "HF_TOKEN"),
        ((403, {"X-Error-Code": "GatedRepo"}, b"{}"), AccessDeniedError, "accepted its terms"),
        ((404, {"X-Error-Code": "RevisionNotFound"}, b"{}"), NotFoundError, "no revision 'old'"),
        ((500, {}, b"oops"), ModelUnavailableError, "answered 500"),
        ((200, {}, b"<html>Log in</html>"), ModelUnavailableError, "as a model hub does"),
        ((200, {}, b'{"id": "a/b", "siblings": []}'), ModelUnavailableError, "no GGUF files"),
    ],
)
def test_what_the_hub_refuses_is_told_in_a_sentence(
    tmp_path: Path, fake: FakeHub, answer: tuple[int, dict[str, str], bytes], error: type[ContextError], says: str
) -> None:
    fake.info_answer = answer
    with pytest.raises(error) as caught:
        hub.pull("hf:someone/some-GGUF@old", tmp_path)
    assert says in str(caught.value)


@pytest.mark.slow
def test_two_pulls_of_one_file_do_not_mix(tmp_path: Path, fake: FakeHub) -> None:
    folder = tmp_path / "someone" / "some-GGUF"
    folder.mkdir(parents=True)
    digest = hashlib.sha256(MODEL).hexdigest()[:12]
    with (
        filelock.FileLock(folder / f".some-Q4_K_M.gguf.{digest}.part.lock"),
        pytest.raises(BusyError, match="being pulled already"),
    ):
        hub.pull("hf:someone/some-GGUF", tmp_path)


@pytest.mark.slow
def test_a_full_disk_is_told_before_anything_is_fetched(
    tmp_path: Path, fake: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "mcp_context_resources.models.hub.shutil.disk_usage", lambda _path: type("Usage", (), {"free": 1000})()
    )
    with pytest.raises(StorageError, match="GB left"):
        hub.pull("hf:someone/some-GGUF", tmp_path)
    assert fake.ranges() == []


@pytest.mark.slow
def test_the_command_line_pulls_with_progress_and_then_lists_the_model(tmp_path: Path, fake: FakeHub) -> None:
    environment = {"HF_ENDPOINT": fake.url}
    done = fresh_context(tmp_path, "pull", "hf:someone/some-GGUF", environment=environment)
    assert done.returncode == 0, done.stderr
    assert "some-Q4_K_M.gguf: 100 % of 0.3 MB" in done.stderr
    assert "Fetched and checked" in done.stdout
    assert "some-Q4_K_M.gguf" in fresh_context(tmp_path, "list").stdout
    removed = fresh_context(tmp_path, "rm", "some-Q4_K_M")
    assert removed.returncode == 0, removed.stderr
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.slow
def test_without_a_network_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    done = fresh_context(tmp_path, "pull", "hf:someone/some-GGUF", environment=environment)
    assert done.returncode == 1
    assert "127.0.0.1:9 can't be reached" in done.stderr
    assert "fresh-context models add FILE" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    done = fresh_context(tmp_path, "pull", "hf:someone/some-GGUF", environment={"HF_HUB_OFFLINE": "1"})
    assert done.returncode == 1
    assert "can't be reached" in done.stderr


@pytest.mark.parametrize(
    "spec",
    ["", "someone/some", "hf:", "hf:some", "hf:../../etc", "hf:a/b:", "hf:a/b@", "hf:a/b/c", "hf:a/..", "https://a/b.gguf"],
)  # fmt: skip
def test_a_spec_that_names_no_repository_is_refused(spec: str) -> None:
    with pytest.raises(InvalidInputError, match="names no model"):
        parse_wish(spec)


def files_of(*paths: str) -> list[HubFile]:
    return [HubFile(path, 1_000_000_000 + number, "0" * 64) for number, path in enumerate(paths)]


USUAL = files_of(
    "m-Q2_K.gguf", "m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m-Q8_0.gguf", "m-UD-Q4_K_XL.gguf", "m-BF16.gguf", "imatrix.gguf"
)


@pytest.mark.parametrize(
    ("spec", "files", "chosen"),
    [
        ("hf:a/b", USUAL, ["m-Q4_K_M.gguf"]),
        ("hf:a/b:q8_0", USUAL, ["m-Q8_0.gguf"]),
        ("hf:a/b:Q4_K_XL", USUAL, ["m-UD-Q4_K_XL.gguf"]),
        ("hf:a/b:m-Q2_K.gguf", USUAL, ["m-Q2_K.gguf"]),
        ("hf:a/b:M-q2_k@main", USUAL, ["m-Q2_K.gguf"]),
        ("hf:a/b", files_of("only.gguf", "README.md"), ["only.gguf"]),
        ("hf:a/b", files_of("../x.gguf", "/y.gguf", "a/.z.gguf", "c\\d.gguf", "good.gguf"), ["good.gguf"]),
        ("hf:a/b", files_of("m-00001-of-00003.gguf", "m-00003-of-00003.gguf", "n.gguf"), ["n.gguf"]),
    ],
)
def test_the_file_meant_is_found_by_name_or_quantization(spec: str, files: list[HubFile], chosen: list[str]) -> None:
    assert [file.path for file in wanted_files(parse_wish(spec), files)] == chosen


@pytest.mark.parametrize(
    ("spec", "files", "error", "says"),
    [
        ("hf:a/b:Q3_K_M", USUAL, NotFoundError, "Q2_K (1.0 GB), Q4_K_M (1.0 GB)"),
        ("hf:a/b", files_of("x-Q8_0.gguf", "x-F16.gguf"), InvalidInputError, "hf:a/b:x-Q8_0.gguf"),
        ("hf:a/b:Q8_0", files_of("x-Q8_0.gguf", "y-Q8_0.gguf"), InvalidInputError, "has 2 models that are Q8_0"),
        ("hf:a/b", files_of(*(f"m{number}-Q8_0.gguf" for number in range(30))), InvalidInputError, "and 10 more"),
        ("hf:a/b", files_of("model.safetensors"), ModelUnavailableError, "GGUF in its name"),
    ],
)
def test_where_no_single_file_is_meant_the_choice_is_told(
    spec: str, files: list[HubFile], error: type[ContextError], says: str
) -> None:
    with pytest.raises(error) as caught:
        wanted_files(parse_wish(spec), files)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("path", "quantization"),
    [
        ("gemma-3-4b-it-Q4_K_M.gguf", "Q4_K_M"),
        ("model.Q4_1.gguf", "Q4_1"),
        ("UD-IQ2_XXS/big-00001-of-00002.gguf", "UD-IQ2_XXS"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("qwen3-0.6b-f16.gguf", "F16"),
        ("plain.gguf", ""),
    ],
)
def test_a_quantization_is_read_from_the_file_name_or_its_folder(path: str, quantization: str) -> None:
    assert quantization_of(path) == quantization
