"""The example data keeps the promises its README and its guides make."""

from __future__ import annotations

import csv
from contextlib import closing
from pathlib import Path

import duckdb
import pypdfium2 as pdfium
import pytest

DATA = Path(__file__).parents[2] / "examples" / "data"
STOPS = DATA / "stops" / "停留所.csv"
TRIPS = DATA / "ridership" / "trips.csv"
WEATHER = DATA / "ridership" / "weather.parquet"
HANDBOOK = DATA / "guides" / "passenger-handbook.pdf"
SERVICE_GUIDE = DATA / "guides" / "運行案内.pdf"


def stops() -> list[dict[str, str]]:
    with STOPS.open(encoding="cp932", newline="") as file:
        return list(csv.DictReader(file))


def query(sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        connection.read_csv(str(TRIPS)).create("trips")
        connection.read_parquet(str(WEATHER)).create("weather")
        return connection.execute(sql).fetchall()


def page_texts(path: Path) -> list[str]:
    """Return each page's text without white space, so that where a line ends does not matter."""
    texts = []
    with closing(pdfium.PdfDocument(path)) as document:
        for number in range(len(document)):
            with closing(document[number]) as page, closing(page.get_textpage()) as text:
                texts.append("".join(text.get_text_bounded().split()))
    return texts


@pytest.mark.parametrize("encoding", ["utf-8", "shift_jis"])
def test_the_stops_are_cp932_and_neither_utf_8_nor_plain_shift_jis(encoding: str) -> None:
    raw = STOPS.read_bytes()
    with pytest.raises(UnicodeDecodeError):
        raw.decode(encoding)
    text = raw.decode("cp932")
    assert "①番ふ頭,ｲﾁﾊﾞﾝﾌﾄｳ" in text
    assert text.count("\r\n") == text.count("\n") == 25


def test_every_trip_joins_one_stop_and_every_stop_has_trips() -> None:
    numbers = [int(row["停留所番号"]) for row in stops()]
    assert len(numbers) == len(set(numbers)) == 24
    assert {row[0] for row in query("SELECT DISTINCT stop_no FROM trips")} == set(numbers)


def test_the_trips_have_gaps_and_fields_that_need_quoting() -> None:
    [(rows, boardings, fares, commas, breaks)] = query(
        "SELECT count(*), count(boardings), count(fare_yen), count(*) FILTER (contains(note, ',')),"
        " count(*) FILTER (contains(note, chr(10))) FROM trips"
    )
    assert (rows, commas, breaks) == (4941, 11, 1)
    assert isinstance(boardings, int)
    assert isinstance(fares, int)
    assert 4800 < boardings < fares < 4941


def test_weather_and_trips_cover_the_same_days_once() -> None:
    assert query("SELECT count(*), count(DISTINCT date) FROM weather") == [(183, 183)]
    assert query("SELECT count(DISTINCT date) FROM trips SEMI JOIN weather USING (date)") == [(183,)]


def test_service_is_cut_on_exactly_the_days_the_handbooks_rain_rule_names() -> None:
    wrong = query(
        """
        SELECT * FROM trips JOIN weather USING (date)
        WHERE CASE WHEN rain_mm > 120 AND line = 'Hill' THEN 'suspended' WHEN rain_mm > 50 THEN 'reduced timetable' END
            IS DISTINCT FROM CASE WHEN note IN ('suspended', 'reduced timetable') THEN note END
        """
    )
    assert wrong == []
    assert query("SELECT count(*) FILTER (rain_mm = 50), count(*) FILTER (rain_mm > 50) FROM weather") == [(1, 7)]
    assert query("SELECT sum(boardings), count(*) FROM trips WHERE note = 'suspended'") == [(0, 18)]


def test_a_ride_costs_100_yen_on_the_anniversary_and_more_on_any_other_day() -> None:
    days = query("SELECT date::VARCHAR FROM trips WHERE boardings > 0 AND fare_yen = 100 * boardings GROUP BY date")
    assert days == [("2025-06-01",)]
    assert query("SELECT count(*) FROM trips WHERE fare_yen > 210 * boardings") == [(0,)]


def test_the_tables_agree_with_the_handbook_about_roofs_and_the_opening() -> None:
    rows, text = stops(), "".join(page_texts(HANDBOOK))
    assert sum(row["屋根あり"] == "○" for row in rows) == 14
    assert "14ofthe24stops" in text
    assert min(row["開業日"] for row in rows) == "1912-06-01"
    assert "openedon1June1912" in text


@pytest.mark.parametrize(
    ("path", "facts"),
    [
        (
            HANDBOOK,
            [
                ["firsttramleavesStationFrontat05:42", "lasttramleavesat23:58", "Page1of5"],
                ["adultsinglecosts210yen", "childsinglecosts110yen", "Daypass650yen330yen", "everyridecosts100yen"],
                ["bicycleticket,whichcosts150yen", "roomfortwobicycles"],
                ["morethan50mmofrain", "morethan120mmofrain,theHillLineissuspended"],
                ["Lostpropertyiskeptfor30days", "Page5of5"],
            ],
        ),
        (
            SERVICE_GUIDE,
            [
                ["大人210円、小児110円", "一日乗車券は大人650円", "始発は5時42分、終電は23時58分", "①番ふ頭"],
                ["雨量が50ミリを超える日", "雨量が120ミリを超える日は、丘線を始発から終日運休", "髙見坂（201番）"],
                ["保管期間は見つかった日から30日間", "1台150円の自転車券"],
            ],
        ),
    ],
    ids=["English", "Japanese"],
)
def test_each_page_of_a_guide_gives_the_promised_facts(path: Path, facts: list[list[str]]) -> None:
    texts = page_texts(path)
    assert len(texts) == len(facts)
    missing = [(page, fact) for page, found in enumerate(facts, 1) for fact in found if fact not in texts[page - 1]]
    assert missing == []
