"""The benches' own arithmetic and command line; nothing here is timed."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import anyio
import pytest

from bench import document_packages, table_rivals
from bench.__main__ import BENCHES, main
from bench.document_files import Extract, for_slow_readers, ranges, sampled
from bench.document_packages import ODD
from bench.document_rivals import PDFIUM, PYPDF, library, our_reader
from bench.measure import (
    OURS,
    SECONDS,
    BenchError,
    Options,
    Row,
    Spread,
    Table,
    as_json,
    interleaved,
    paired,
    render,
    timed,
    within,
)
from bench.mutations import MUTATIONS, mutated
from bench.safety import stays_inside
from bench.search_evaluation import Evaluation
from bench.search_packages import descriptions, help_page, manual_page
from bench.search_questions import EXAMPLE_QUESTIONS, Question, made_questions
from bench.search_rivals import FTS5_TRIGRAM, FTS5_WORDS, RIVALS
from bench.search_scores import Scores, quantile, rank_of
from bench.search_sets import Query, SearchSet, SetPlan, sampled_sets
from bench.search_vectors import KeptVectors
from bench.table_files import copies, grouped, plain, wait_for_copy, write_sales, write_wide
from bench.text_scores import f1, normalised
from bench.wire_client import Answer, WireClient, wired
from tests.support.files import pdf
from tests.support.pdf_files import CRAFTED, one_page
from tests.support.sql_statements import REACHING, WRITING, Place

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bench.measure import Sample


class ScriptedClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def action(self, *seconds: float, log: list[str] | None = None, name: str = "") -> Callable[[], Awaitable[None]]:
        """Make an action that takes these seconds, one after the other."""
        left = list(seconds)

        async def act() -> None:
            if log is not None:
                log.append(name)
            self.now += left.pop(0)

        return act


def _measure(runs: int, warmups: int = 1, **seconds: tuple[float, ...]) -> dict[str, list[Sample]]:
    clock = ScriptedClock()
    contenders = {name: timed(clock.action(*values), clock=clock) for name, values in seconds.items()}

    async def measure() -> dict[str, list[Sample]]:
        return await interleaved(contenders, runs=runs, warmups=warmups)

    return anyio.run(measure)


def test_contenders_take_turns_and_the_warm_up_is_not_counted() -> None:
    clock, log = ScriptedClock(), list[str]()
    contenders = {
        name: timed(clock.action(9, 1, 2, log=log, name=name), clock=clock) for name in (OURS, "first", "second")
    }

    async def measure() -> dict[str, list[Sample]]:
        return await interleaved(contenders, runs=2)

    samples = anyio.run(measure)
    assert log == [OURS, "first", "second"] * 3
    assert [sample[SECONDS] for sample in samples["second"]] == [1, 2]


def test_repeats_are_averaged() -> None:
    clock = ScriptedClock()
    contender = timed(clock.action(1, 2, 6), repeats=3, clock=clock)
    assert anyio.run(contender) == {SECONDS: 3}


def test_the_ratio_is_the_median_of_each_rounds_ratio() -> None:
    # The second round was slow for both: the medians' quotient would be 3, the rounds say 2.
    row = paired("f", _measure(3, ours=(9, 2, 80, 3), rival=(9, 1, 40, 1)), "rival")
    assert list(row.ours) == [2, 80, 3]
    assert list(row.theirs) == [1, 40, 1]
    assert row.ratio == Spread(2, 2, 3)


def test_a_limit_holds_for_every_run() -> None:
    assert within("size", 3_000, 12_000, "B").ratio == Spread(0.25, 0.25, 0.25)
    assert Row("f", "s", (1, 4), "limit", (2,)).ratio == Spread(1.25, 0.5, 2)


def test_unequal_runs_are_not_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        as_json(Table("start", "a title", (Row("f", "s", (1, 2, 3), "rival", (1, 2)),)))


def test_spread_of_an_even_number_of_runs() -> None:
    assert Spread.of([4, 1, 2, 3]) == Spread(2.5, 1, 4)


TABLE = Table(
    "start",
    "a title",
    (
        Row("time", "s", (0.0012, 0.0010, 0.0020), "a long rival", (0.0006, 0.0010, 0.0010)),
        Row("slow", "s", (2.0, 3.0, 4.0), "rival", (1.0, 1.0, 1.0)),
        Row("rate", "pages/s", (1500.0,), "rival", (3000.0,)),
        within("size", 4_256, 12_000, "B"),
    ),
    ("a note",),
)


def test_the_table_is_aligned() -> None:
    assert render(TABLE).splitlines() == [
        "start: a title",
        "figure                 ours                 rival or limit  its figure            ratio              runs",
        "---------------------  -------------------  --------------  --------------------  -----------------  ----",
        "time                   1.20 ms (1.00–2.00)  a long rival    1.00 ms (0.600–1.00)  2.00x (1.00–2.00)  3",
        "slow                   3.00 s (2.00–4.00)   rival           1.00 s (1.00–1.00)    3.00x (2.00–4.00)  3",
        "rate (more is better)  1,500 pages/s        rival           3,000 pages/s         0.500x             1",
        "size                   4,256 B              limit           12,000 B              0.355x             1",
        "  a note",
    ]


def test_aims_are_printed_as_met_or_missed() -> None:
    rows = (
        Row("fast", "s", (1.0,), "rival", (10.0,), 0.2),
        Row("slow", "s", (3.0,), "rival", (1.0,), 2.0),
        TABLE.rows[0],
    )
    header, _, fast, slow, without = render(Table("tables", "t", rows)).splitlines()[1:]
    assert header.endswith("aim")
    assert fast.endswith("at most 0.200x: met")
    assert slow.endswith("at most 2.00x: MISSED")
    assert without.endswith("3")
    data = as_json(Table("tables", "t", rows))["rows"]
    assert [(row.get("aim"), row.get("met")) for row in data] == [(0.2, True), (2.0, False), (None, None)]


def test_one_contender_of_ours_can_be_chosen_and_given_an_aim() -> None:
    row = paired("f", _measure(1, ours=(9, 1), other=(9, 2), rival=(9, 4)), "rival", ours="other", aim=1.0)
    assert (row.ours, row.ratio.median, row.aim) == ((2,), 0.5, 1.0)


def test_nothing_beside_nothing_is_even_and_something_beside_nothing_is_endless() -> None:
    assert Row("f", "s", (0.0,), "rival", (0.0,)).ratio == Spread(1, 1, 1)
    endless = Row("f", "s", (1.0,), "rival", (0.0,))
    assert math.isinf(endless.ratio.median)
    table = Table("tables", "t", (endless,))
    assert "∞x" in render(table)
    assert json.loads(json.dumps(as_json(table), allow_nan=False))["rows"][0]["ratio"]["median"] is None


def test_many_bytes_are_megabytes() -> None:
    assert "284 MB" in render(Table("tables", "t", (Row("memory", "B", (284_000_000.0,), "rival", (1.0,)),)))


def test_a_skipped_bench_says_why() -> None:
    assert render(Table("model", "a title", notes=("Skipped: no model.",))) == "model: a title\n  Skipped: no model."


def test_json_keeps_every_value() -> None:
    data = json.loads(json.dumps(as_json(TABLE)))
    assert data["rows"][0]["ours"] == [0.0012, 0.0010, 0.0020]
    assert data["rows"][3] == {
        "figure": "size",
        "unit": "B",
        "ours": [4256],
        "rival": "limit",
        "theirs": [12000],
        "ratio": {"median": 4256 / 12000, "low": 4256 / 12000, "high": 4256 / 12000},
    }


def test_help_names_every_bench() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--help"], capture_output=True, text=True, cwd=root, check=False
    )
    assert done.returncode == 0, done.stderr
    for name, summary in BENCHES.items():
        assert f"{name.ljust(max(map(len, BENCHES)))}  {summary}" in done.stdout
    assert "examples:" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["wire", "speed"], "there is no bench 'speed'; there is wire, tables"), (["--runs", "-1"], "at least 1")],
)
def test_misuse_is_a_clear_error(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


class _Scripted:
    def __init__(self, outcome: Table | Exception) -> None:
        self.outcome = outcome
        self.options: Options | None = None

    async def run(self, options: Options) -> Table:
        self.options = options
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def test_a_failed_bench_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    grouped = ExceptionGroup("", [ExceptionGroup("", [BenchError("the rival fell over")])])
    benches = {"wire": _Scripted(grouped), "tables": _Scripted(BenchError("they differ")), "model": _Scripted(TABLE)}
    monkeypatch.setattr("bench.__main__._bench", benches.__getitem__)
    report = tmp_path / "report.json"
    assert main(["wire", "tables", "model", "model", "--quick", "--json", str(report)]) == 1
    shown = capsys.readouterr()
    assert "wire: failed: the rival fell over" in shown.err
    assert "tables: failed: they differ" in shown.err
    assert shown.out.count("a note") == 1
    assert benches["model"].options == Options(2, quick=True)
    assert [table["title"] for table in json.loads(report.read_text(encoding="utf-8"))["tables"]] == ["a title"]


def test_a_fault_of_the_bench_itself_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = ExceptionGroup("", [BenchError("told"), ZeroDivisionError()])
    monkeypatch.setattr("bench.__main__._bench", {"wire": _Scripted(fault)}.__getitem__)
    with pytest.raises(ExceptionGroup):
        main(["wire"])


def test_without_a_model_the_bench_is_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.model.chat_model", lambda: None)
    assert main(["model"]) == 0
    assert "Skipped: no local model is installed." in capsys.readouterr().out


SCRIPTED_SERVER = """\
import json, sys
held = None
for line in sys.stdin:
    message = json.loads(line)
    method, number = message["method"], message.get("id")
    name = message.get("params", {}).get("name")
    result = {"content": [{"type": "text", "text": name or method}], "isError": name == "broken"}
    answer = json.dumps({"jsonrpc": "2.0", "id": number, "result": result})
    if name == "end":
        break
    if name == "late":
        held = answer
    elif number is not None:
        print("no JSON at all")
        print(json.dumps({"jsonrpc": "2.0", "method": "notifications/message", "params": {}}))
        print(answer, flush=True)
        if held:
            print(held, flush=True)
            held = None
"""


def _scripted(folder: Path, talk: Callable[[WireClient], Awaitable[None]]) -> None:
    async def connect() -> None:
        async with wired((sys.executable, "-c", SCRIPTED_SERVER), folder) as client:
            await talk(client)

    anyio.run(connect)


def test_the_wire_client_counts_bytes_and_takes_answers_in_any_order(tmp_path: Path) -> None:
    async def talk(client: WireClient) -> None:
        late = await client.begin("tools/call", {"name": "late"})
        ping = await client.request("ping")
        assert ping.text == "ping"
        assert ping.size == len(json.dumps(ping.message)) + 1
        answer = await client.answer(late)
        assert answer.text == "late"
        assert answer.seconds > 0
        assert [process.pid for process in client.processes()] == [client.pid]

    _scripted(tmp_path, talk)


def test_the_wire_client_tells_errors_silence_and_the_end_apart(tmp_path: Path) -> None:
    async def talk(client: WireClient) -> None:
        with pytest.raises(BenchError, match="broken failed: broken"):
            await client.call("broken", {})
        late = await client.begin("tools/call", {"name": "late"})
        with pytest.raises(BenchError, match="No answer within"):
            await client.answer(late, within=0.01)
        with pytest.raises(BenchError, match="ended"):
            await client.call("end", {})

    _scripted(tmp_path, talk)


def test_a_rival_that_cannot_be_installed_is_left_out_with_a_note(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def offline(*_command: str) -> None:
        raise BenchError("no network")

    monkeypatch.setattr(table_rivals, "_run", offline)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda _name: tmp_path / "cache")
    rival, notes = anyio.run(table_rivals.available_rival, tmp_path / "home")
    assert rival is None
    assert "could not be installed (no network)" in notes[0]
    assert not list((tmp_path / "cache").glob("*"))


def test_a_rival_is_installed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands: list[tuple[str, ...]] = []

    def install(*command: str) -> None:
        commands.append(command)
        for folder in tmp_path.glob("cache/*"):
            program = next(folder.iterdir(), None)
            assert program is None or program.is_dir()
        if "venv" in command:
            scripts = Path(command[-1]) / table_rivals._SCRIPTS
            scripts.mkdir(parents=True)
            (scripts / f"{table_rivals.MOTHERDUCK}{table_rivals._SUFFIX}").touch()

    monkeypatch.setattr(table_rivals, "_run", install)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda _name: tmp_path / "cache")
    for _ in range(2):
        rival = anyio.run(table_rivals.motherduck, tmp_path / "home")
        assert str(tmp_path / "home") in rival.command
        assert rival.variables == {"HOME": str(tmp_path / "home")}
    assert len(commands) == 2
    assert not any("://" in part for command in commands for part in command)


def test_plain_duckdb_and_our_names_for_the_files_of_the_bench(tmp_path: Path) -> None:
    csv, parquet = (write_sales(tmp_path, 1_000, kind) for kind in ("csv", "parquet"))
    wide = write_wide(tmp_path, 10)
    assert (csv.table, parquet.label) == ("sales_1000_csv", "1,000 rows, PARQUET")
    assert "東京都" in wide.path.read_text(encoding="utf-8")
    with plain() as connection:
        rows = [connection.execute(grouped(file.function)).fetchall() for file in (csv, parquet)]
        assert len(connection.execute(f"DESCRIBE FROM {wide.function}").fetchall()) == 10
    assert sum(row[1] for row in rows[0]) == 1_000
    assert [row[:2] for row in rows[0]] == [row[:2] for row in rows[1]]


def test_a_copy_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("bench.table_files._SETTLING_SECONDS", 0.0)
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / ".new-1.parquet").touch()
    before = copies(tmp_path)
    assert before == frozenset()

    async def appear() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(wait_for_copy, tmp_path, before)
            await anyio.sleep(0.01)
            (tables / "a.parquet").touch()

    anyio.run(appear)
    monkeypatch.setattr("bench.table_files._COPY_SECONDS", 0.0)
    with pytest.raises(BenchError, match="No columnar copy"):
        anyio.run(wait_for_copy, tmp_path, copies(tmp_path))


@pytest.mark.parametrize(
    ("sql", "inside"),
    [
        ("COPY sales TO '{root}/out.csv'", True),
        ("FROM read_text('{root}/../outside/secret.csv')", True),
        ("DROP VIEW sales", True),
        ("COPY sales TO '{root}/../../../out.csv'", False),
        ("COPY (SELECT 1) TO '/dev/stdout'", False),
        ("FROM '/etc/passwd'", False),
        ("INSTALL anything", False),
        ("CREATE SECRET s (TYPE s3)", False),
        ("FROM 's3://bucket/x.parquet'", False),
    ],
)
def test_the_rival_is_given_nothing_that_reaches_beyond_its_folder(tmp_path: Path, sql: str, inside: bool) -> None:
    place = Place(tmp_path / "base", tmp_path / "base" / "cache")
    assert stays_inside(place.fill(sql, str(place.cache / "spill")), place.base) is inside


def test_most_attacks_are_given_to_the_rival(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path / "cache")
    given = [sql for sql in (*WRITING, *REACHING) if stays_inside(place.fill(sql, f"{tmp_path}/cache/spill"), tmp_path)]
    assert len(given) > 100
    assert not any("/etc/" in sql or "/proc/" in sql or "://" in sql for sql in given)


def test_the_first_and_the_last_pages_are_sampled() -> None:
    assert sampled(5, 8) == (1, 2, 3, 4, 5)
    assert sampled(100, 8) == (1, 2, 3, 4, 97, 98, 99, 100)
    assert ranges(sampled(261, 40)) == [(1, 20), (242, 261)]
    for total in range(1, 120):
        pages = sampled(total, 40)
        assert list(pages) == sorted(set(pages))
        assert {pages[0], pages[-1]} == {1, total}
        assert len(pages) <= 40


def test_slow_readers_are_given_a_part_of_the_same_pages_with_their_own_references() -> None:
    extract = Extract(Path("a.pdf"), "English", sampled(261, 40), tuple(map(str, sampled(261, 40))))
    odd = [Extract(Path(f"{i}.pdf"), ODD, (1,), ("1",)) for i in range(9)]
    first, *others = for_slow_readers([extract, *odd], quick=False)
    assert first.pages == (1, 2, 3, 4, 258, 259, 260, 261)
    assert first.reference == tuple(map(str, first.pages))
    assert others == [odd[0], odd[4], odd[8]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a hyphen-\nated line", "a hyphenated line"),
        ("a hyphen\u00ad\nated line", "a hyphenated line"),
        ("a hyphen\x02\r\nated line", "a hyphenated line"),
        ("well-known", "well-\r\n known"),
        ("Ｈａｌｆ ｶﾞ ﬁne", "Half ガ fine"),
        ("Contents . . . . . . 7", "Contents … 7"),
        ("hid\u200bden\ufeff", "hidden"),
    ],
)
def test_what_is_no_difference_costs_no_score(one: str, other: str) -> None:
    assert normalised(one).split() == normalised(other).split()
    assert f1([(one, other)], "words") == 1


def test_a_score_counts_what_is_missing_and_what_is_too_much() -> None:
    assert f1([("a b b", "a b c")], "words") == pytest.approx(2 / 3)
    # The counts of all pages are summed; word order is no matter.
    assert f1([("a", "a"), ("", "b c d"), ("y x", "x y")], "words") == pytest.approx(6 / 9)
    assert f1([("読む, abc", "読み 、xyz")], "characters") == 0.5
    assert f1([("", "")], "words") == 1


def _read(name: str, path: Path, pages: tuple[int, ...]) -> tuple[Answer, dict[int, str]]:
    reader = library(name)

    async def read() -> Answer:
        async with wired(reader.command, path.parent) as client:
            return await client.request("tools/call", {"name": reader.tool, "arguments": reader.arguments(path, pages)})

    answer = anyio.run(read)
    return answer, {} if answer.failed else {page: str(text) for page, text in reader.texts(answer, pages).items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", [PDFIUM, PYPDF])
def test_a_library_is_asked_over_the_same_wire(tmp_path: Path, name: str) -> None:
    path = tmp_path / "three.pdf"
    path.write_bytes(pdf("one", "two", "three"))
    answer, texts = _read(name, path, (1, 3))
    assert texts == {1: "one", 3: "three"}
    assert answer.size < 200
    path.write_bytes(one_page())
    assert _read(name, path, (1,))[1] == {1: "plain words"}
    path.write_bytes(b"no PDF")
    assert _read(name, path, (1,))[0].failed


def test_our_running_heads_count_as_text_and_a_cut_answer_is_gone_on_with(tmp_path: Path) -> None:
    reader = our_reader(tmp_path, tmp_path)
    entry = {"number": 3, "label": "iii", "header": "Head", "text": "Body", "footer": "- 3 -"}
    content = {"pages": [entry], "next": {"pages": "3-4", "offset": 4}}
    answer = Answer({"result": {"structuredContent": content}}, 1, 1.0)
    asked = reader.arguments(tmp_path / "a b.pdf", (3, 4, 7))
    assert asked == {"document": "a b.pdf", "pages": "3-4,7"}
    assert str(reader.texts(answer, (3, 4, 7))[3]) == "Head\nBody\n- 3 -"
    assert reader.more(asked, answer) == {"document": "a b.pdf", "pages": "3-4", "offset": 4}
    del content["next"]
    assert reader.more(asked, answer) is None


def test_what_cannot_be_fetched_is_named_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(name: str, folder: Path, scratch: Path) -> None:
        (folder / "half.pdf").touch()
        raise BenchError(f"no {name} here")

    monkeypatch.setattr(document_packages, "_from_debian", fail)
    monkeypatch.setattr(document_packages, "_from_source", fail)
    files, notes = document_packages.fetched(tmp_path)
    assert files == []
    assert "Without gnuplot-doc: no gnuplot-doc here" in notes
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_changes_a_file_and_does_so_again_the_same_way(name: str) -> None:
    sound = one_page() + one_page(b"0 0 m 9 9 l S")
    made = [MUTATIONS[name](sound, Random(seed)) for seed in range(20)]
    assert made == [MUTATIONS[name](sound, Random(seed)) for seed in range(20)]
    assert sum(damaged != sound for damaged in made) > 10


def test_mutations_take_files_of_any_size() -> None:
    for data in (b"", b"%", b"%PDF-1.7\n", bytes(3_000)):
        for seed in range(100):
            damaged, how = mutated(data, Random(seed))
            assert len(damaged) < 10_000_000
            assert set(how.split("+")) <= MUTATIONS.keys()


@pytest.mark.slow
def test_crafted_files_are_the_same_each_time_and_small_enough_to_serve() -> None:
    for name, make in CRAFTED.items():
        content = make()
        assert content == make(), name
        assert len(content) < 20_000_000, name
        assert make.__doc__, name


def test_ranks_beyond_the_tenth_and_what_is_not_found_score_nothing() -> None:
    scores = Scores.of([1, 2, 4, 11, None])
    assert (scores.recall_1, scores.recall_5, scores.recall_10) == (0.2, 0.6, 0.6)
    assert scores.mrr == pytest.approx((1 + 1 / 2 + 1 / 4) / 5)
    assert scores.ndcg == pytest.approx((1 + 1 / math.log2(3) + 1 / math.log2(5)) / 5)
    assert Scores.of([1]) == Scores(1, 1, 1, 1, 1)


def test_a_document_found_by_several_passages_takes_one_place() -> None:
    assert rank_of("b", ["a", "a", "b", "a", "b"]) == 2
    assert rank_of("c", ["a", "b"]) is None


def test_a_quantile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(1, 101)]
    assert (quantile(values, 0.5), quantile(values, 0.95), quantile(values, 1)) == (50, 95, 100)
    assert quantile([3.0], 0.5) == 3


def test_a_manual_page_is_read_as_its_description_and_the_text_below_it() -> None:
    page = (
        '.\\" a comment\n.TH LS 1\n.SH NAME\nls \\- list \\fIdirectory\\fP contents\n.SH OPTIONS\n.TP\n'
        '\\fB\\-a\\fR\ndo not ignore\nentries\n.SH "SEE ALSO"\n.BR dir (1)\n'
    )
    text = "OPTIONS\n\n-a\ndo not ignore\nentries\n\nSEE ALSO\ndir (1)"
    assert manual_page(page) == ("list directory contents", text)
    assert manual_page(".Dd today\n.Sh NAME\n") is None


def test_a_help_page_is_read_between_its_landmarks() -> None:
    html = (
        "<title>Find &amp; Replace</title><nav>menu</nav><div id='DisplayArea'><script>x()</script><h1>Find</h1>"
        "<p>one <b>two</b>\nthree</p><div id='DonationFrame'>give</div></div>"
    )
    assert help_page(html) == ("Find & Replace", ["Find", "one two three"])


def test_package_descriptions_are_read_by_name_and_digest() -> None:
    told = "Package: a\nDescription-md5: 1\nDescription-ja: 要約\n 長い\n .\n 説明"
    listing = f"{told}\n\nPackage: b\nDescription-md5: 2\n"
    assert descriptions(listing) == {"a 1": ("要約", "長い\n\n説明")}


def _parallel() -> dict[str, dict[str, tuple[str, str]]]:
    english = {f"{n}": (f"The title number {n}", f"What stands in document {n}. " * 10) for n in range(40)}
    japanese = {f"{n}": (f"題名その{n}です", f"文書の{n}番に書いてある内容。" * 10) for n in range(20, 60)}
    return {"en": english, "ja": {**japanese, "60": ("訳されていない題", "Not translated at all. " * 10)}}


def test_sets_are_drawn_the_same_each_time_with_parallel_documents_as_targets() -> None:
    made = sampled_sets("s", _parallel(), SetPlan(30, 10), 30, 8)
    assert made == sampled_sets("s", _parallel(), SetPlan(30, 10), 30, 8)
    english, japanese = made
    assert (english.languages, japanese.languages) == (["en", "ja"], ["ja", "en"])
    assert english.task("ja") == "s ja→en"
    for one in made:
        assert len(one.documents) == 30
        assert all(query.target in one.documents and 20 <= int(query.target) < 40 for query in one.queries)
        assert [len(one.asked_in(language)) for language in ("en", "ja")] == [8, 8]
    assert "60" not in japanese.documents


def test_titles_and_texts_of_several_documents_are_no_targets() -> None:
    texts = _parallel()
    texts["en"]["20"] = texts["en"]["21"]
    own = sampled_sets("s", texts, SetPlan(40, 10, crossed=False), 40, 40)
    assert {query.target for query in own[0].queries}.isdisjoint({"20", "21"})
    assert len(set(own[0].documents.values())) == len(own[0].documents) == 39


@pytest.mark.parametrize("name", [FTS5_WORDS, FTS5_TRIGRAM])
def test_rivals_find_words_and_take_any_sign(name: str) -> None:
    documents = {"a": "the tram stops at the harbour", "b": "停留所の一覧 harbours", "c": "nothing of it"}
    found = RIVALS[name](documents, ["tram harbour", 'AND "tram* (', "…", "停留所の一覧"])
    assert found[0][0] == "a"
    assert found[1] == ["a"]
    assert found[2] == []
    assert found[3] == ["b"]


def test_an_answer_is_recognised_whatever_its_white_space_and_width() -> None:
    question = Question("When?", ("1 June 1912", "１９１２年６月１日"))
    assert question.is_answered_by("opened on 1 June\n1912.")
    assert question.is_answered_by("1912年6月1日に")
    assert not question.is_answered_by("1 July 1912")


def test_questions_of_a_set_are_answered_by_a_sentence_of_one_document_only() -> None:
    documents = {"a": "Shared by both of these documents. Only the first one says this here.", "b": ""}
    documents["b"] = "Shared by both of these documents. Short."
    queries = tuple(Query(f"title {key}", "en", key) for key in documents)
    [(question, target)] = made_questions(SearchSet("s", "en", documents, queries), 5)
    assert (question.text, question.answers, target) == ("title a", ("Only the first one says this here.",), "a")


def test_questions_on_the_example_data_are_answered_by_it() -> None:
    folder = Path(__file__).parents[2] / "examples" / "data"
    reader = library(PDFIUM)
    stops, trips = folder / "stops" / "停留所.csv", folder / "ridership" / "trips.csv"
    texts = [stops.read_text(encoding="cp932"), trips.read_text(encoding="utf-8")]
    for path, pages in ((folder / "guides" / "passenger-handbook.pdf", 5), (folder / "guides" / "運行案内.pdf", 3)):
        texts += _read(reader.name, path, tuple(range(1, pages + 1)))[1].values()
    for question in EXAMPLE_QUESTIONS:
        assert question.is_answered_by("\n".join(texts)), question.text


class _CountingEmbedder:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def model(self) -> str:
        return "m"

    async def passages(self, texts: Sequence[str]) -> bytes:
        self.asked += texts
        return b"".join(len(text).to_bytes(4, "little") * 2 for text in texts)

    async def query(self, text: str) -> bytes:
        self.asked.append(text)
        return b"\xff" * 8

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float] | None:
        return [float(len(query)) for _ in texts]


def test_vectors_are_made_once_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda _name: tmp_path)

    async def embed(inner: _CountingEmbedder) -> list[bytes]:
        kept = KeptVectors(inner)
        made = [await kept.passages(["aa", "b", "aa"]), await kept.passages(["ccc", "b"]), await kept.query("aa")]
        kept.close()
        return made

    first, second = _CountingEmbedder(), _CountingEmbedder()
    made = anyio.run(embed, first)
    assert made == [b"\2\0\0\0" * 2 + b"\1\0\0\0" * 2 + b"\2\0\0\0" * 2, b"\3\0\0\0" * 2 + b"\1\0\0\0" * 2, b"\xff" * 8]
    assert first.asked == ["aa", "b", "aa", "ccc", "aa"]
    assert anyio.run(embed, second) == made
    assert second.asked == []


def test_a_hybrid_search_stands_for_ours_and_japanese_is_set_beside_english() -> None:
    evaluation = Evaluation()
    queries = (Query("q", "en", "a"), Query("r", "en", "b"))
    for task in ("s en→en", "s ja→ja"):
        evaluation.add(task, "lexical", queries, [["b"], ["a"]])
        evaluation.add(task, "hybrid", queries, [["a"], ["b"]])
        evaluation.add(task, FTS5_WORDS, queries, [["a"], []])
    rows = evaluation.rows()
    assert [(row.figure, row.ours, row.rival, row.theirs) for row in rows] == [
        ("lacking nDCG@10, s en→en", (0,), FTS5_WORDS, (50,)),
        ("lacking nDCG@10, s ja→ja", (0,), FTS5_WORDS, (50,)),
        ("lacking nDCG@10, s ja→ja", (0,), "en→en + 5 points", (5,)),
    ]
    assert len(evaluation.matrix()) == 7
