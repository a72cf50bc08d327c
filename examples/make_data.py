# /// script
# requires-python = ">=3.11"
# dependencies = ["duckdb==2.0.0", "reportlab==5.1.0", "xlsxwriter==3.3.1"]  # exact: a rerun gives the same bytes
# ///
"""Make the example data: a made-up tram network in a made-up town, Minato-no-Sato (港の里).

Run `uv run examples/make_data.py` to write everything under `examples/data` again. The seed and the dates are
fixed, so the output changes only when this script (or a pinned dependency) does. The Japanese PDF embeds a subset
of BIZ UDGothic; on Debian and Ubuntu it comes with the package `fonts-morisawa-bizud-gothic`.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import math
import random
import re
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import duckdb
import xlsxwriter
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Frame, Paragraph, Table, TableStyle

SEED = 1912
FIRST_DAY = dt.date(2025, 4, 1)
LAST_DAY = dt.date(2025, 9, 30)
ANNIVERSARY = dt.date(2025, 6, 1)  # every ride costs 100 yen
FESTIVAL = dt.date(2025, 8, 9)  # the second Saturday of August
REDUCED_ABOVE_MM = 50
SUSPENDED_ABOVE_MM = 120
DEBIAN_FONTS = Path("/usr/share/fonts/truetype/bizud-gothic")

# --- Tables ---------------------------------------------------------------------------------------------------------


class Stop(NamedTuple):
    """One stop, and the boardings it sees on an ordinary working day."""

    number: int
    name: str
    reading: str  # half-width katakana, as old ticketing systems write it
    ward: str
    opened: str
    roof: bool
    usual: int


STOPS = (
    Stop(101, "港の里駅前", "ﾐﾅﾄﾉｻﾄｴｷﾏｴ", "中区", "1912-06-01", True, 1840),
    Stop(102, "表町", "ｵﾓﾃﾏﾁ", "中区", "1912-06-01", True, 620),
    Stop(103, "十軒町", "ｼﾞｯｹﾝﾁｮｳ", "中区", "1912-06-01", False, 410),
    Stop(104, "市場通", "ｲﾁﾊﾞﾄﾞｵﾘ", "中区", "1912-06-01", True, 760),
    Stop(105, "中央広場", "ﾁｭｳｵｳﾋﾛﾊﾞ", "中区", "1912-06-01", True, 980),
    Stop(106, "魚問屋前", "ｳｵﾄﾞﾝﾔﾏｴ", "浜区", "1912-06-01", False, 330),
    Stop(107, "港公園", "ﾐﾅﾄｺｳｴﾝ", "浜区", "1912-06-01", True, 540),
    Stop(108, "①番ふ頭", "ｲﾁﾊﾞﾝﾌﾄｳ", "浜区", "1934-10-15", True, 470),
    Stop(109, "②番ふ頭", "ﾆﾊﾞﾝﾌﾄｳ", "浜区", "1934-10-15", False, 260),
    Stop(110, "灯台下", "ﾄｳﾀﾞｲｼﾀ", "浜区", "1951-07-20", True, 210),
    Stop(201, "髙見坂", "ﾀｶﾐｻﾞｶ", "丘区", "1926-03-21", False, 280),
    Stop(202, "図書館前", "ﾄｼｮｶﾝﾏｴ", "丘区", "1926-03-21", True, 390),
    Stop(203, "石段下", "ｲｼﾀﾞﾝｼﾀ", "丘区", "1926-03-21", False, 170),
    Stop(204, "天文台口", "ﾃﾝﾓﾝﾀﾞｲｸﾞﾁ", "丘区", "1926-03-21", True, 190),
    Stop(205, "竹林", "ﾁｸﾘﾝ", "丘区", "1926-03-21", False, 130),
    Stop(206, "丘の上病院", "ｵｶﾉｳｴﾋﾞｮｳｲﾝ", "丘区", "1968-09-02", True, 520),
    Stop(207, "大学東門", "ﾀﾞｲｶﾞｸﾋｶﾞｼﾓﾝ", "丘区", "1968-09-02", True, 1120),
    Stop(208, "見晴台", "ﾐﾊﾗｼﾀﾞｲ", "丘区", "1968-09-02", False, 150),
    Stop(301, "水門", "ｽｲﾓﾝ", "浜区", "1958-04-10", False, 140),
    Stop(302, "倉庫街", "ｿｳｺｶﾞｲ", "浜区", "1958-04-10", True, 310),
    Stop(303, "ガス燈橋", "ｶﾞｽﾄｳﾊﾞｼ", "浜区", "1958-04-10", False, 160),
    Stop(304, "運河博物館", "ｳﾝｶﾞﾊｸﾌﾞﾂｶﾝ", "浜区", "1987-11-03", True, 240),
    Stop(305, "干潟", "ﾋｶﾞﾀ", "浜区", "1987-11-03", False, 90),
    Stop(306, "渡し場", "ﾜﾀｼﾊﾞ", "浜区", "1987-11-03", True, 200),
)

# Trams call in this order; 105 and 108 are where passengers change.
LINES: dict[str, tuple[int, ...]] = {
    "Harbour": tuple(range(101, 111)),
    "Hill": (105, *range(201, 209)),
    "Canal": (105, 301, 302, 108, 303, 304, 305, 306),
}
SIGHTS = frozenset({104, 107, 108, 110, 204, 208, 304, 305, 306})  # busier at the weekend
UNIVERSITY = 207

# The wet days are set by hand, so that the handbook's rules about rain can be checked against the tables. The
# seventeenth of May stands exactly on the limit and keeps the usual timetable.
WET_DAYS = {
    dt.date(2025, 5, 17): Decimal("50.0"),
    dt.date(2025, 6, 14): Decimal("58.5"),
    dt.date(2025, 6, 23): Decimal("73.0"),
    dt.date(2025, 7, 2): Decimal("52.5"),
    dt.date(2025, 7, 3): Decimal("131.0"),
    dt.date(2025, 8, 27): Decimal("66.0"),
    dt.date(2025, 9, 12): Decimal("88.5"),
    dt.date(2025, 9, 13): Decimal("146.5"),
}
DRY_DAYS = frozenset({ANNIVERSARY, FESTIVAL})


class Weather(NamedTuple):
    """One day of weather."""

    date: dt.date
    mean_temp_c: float
    rain_mm: Decimal
    condition: str


class Trip(NamedTuple):
    """One day at one stop on one line: the people who boarded and the fares they paid."""

    date: dt.date
    stop_no: int
    line: str
    boardings: int | None
    fare_yen: int | None
    note: str | None


# One value with a line break in it and a few gaps, as real exports have; the rest of the table is regular.
ODD_ROWS: dict[tuple[dt.date, int, str], str] = {
    (dt.date(2025, 4, 18), 204, "Hill"): "Counter replaced at noon.\nMorning figure estimated.",
    (dt.date(2025, 5, 5), 104, "Harbour"): 'Market day, locally called "fish Monday"',
}


def make_weather(rng: random.Random) -> list[Weather]:
    """Return a row a day: a warm, wet early summer and a few storms."""
    rows = []
    for offset in range((LAST_DAY - FIRST_DAY).days + 1):
        day = FIRST_DAY + dt.timedelta(days=offset)
        season = math.cos((offset - 122) / 365 * 2 * math.pi)  # warmest on the first of August
        chance = 0.52 if day.month in {6, 7} and day.day < 21 else 0.27
        falls = rng.random() < chance
        amount = Decimal(round(min(rng.expovariate(1 / 9), 44.0) * 2) + 1) / 2
        rain = WET_DAYS.get(day, amount if falls and day not in DRY_DAYS else Decimal(0))
        temperature = round(17.5 + 10.5 * season + rng.gauss(0, 1.6) - (1.8 if rain else 0), 1)
        dry = "sunny" if rng.random() < 0.6 or day in DRY_DAYS else "cloudy"
        condition = "heavy rain" if rain > REDUCED_ABOVE_MM else "rain" if rain else dry
        rows.append(Weather(day, temperature, rain, condition))
    return rows


def expected_boardings(stop: Stop, line: str, weather: Weather) -> float:
    """Return what the stop usually sees on such a day, before chance and special events."""
    number = float(stop.usual)
    if line != next(name for name, stops in LINES.items() if stop.number in stops):
        number *= 0.4  # passengers changing lines
    if weather.date.weekday() >= 5:
        number *= 1.45 if stop.number in SIGHTS else 0.62
    if stop.number == UNIVERSITY and weather.date.month == 8:
        number *= 0.3  # lectures stop in August
    if weather.rain_mm and stop.number in SIGHTS:
        number *= 0.75
    return number


def make_trip(rng: random.Random, stop: Stop, line: str, weather: Weather) -> Trip:
    """Return one row; every row draws the same count of random numbers, so rows do not disturb each other."""
    spread, mix, gap = rng.gauss(1, 0.07), rng.uniform(168, 192), rng.random()
    day, number = weather.date, expected_boardings(stop, line, weather) * spread
    note = ODD_ROWS.get((day, stop.number, line))
    if weather.rain_mm > SUSPENDED_ABOVE_MM and line == "Hill":
        return Trip(day, stop.number, line, 0, 0, "suspended")
    if weather.rain_mm > REDUCED_ABOVE_MM:
        number, note = number * 0.52, "reduced timetable"
    if day == ANNIVERSARY:
        number, mix, note = number * 1.3, 100.0, "anniversary fare"
    if day == FESTIVAL and line == "Harbour":
        number, note = number * (3.2 if stop.number == 107 else 1.6), "Lantern Festival, extra trams until 00:40"
    boardings = max(1, round(number))
    fares = round(boardings * mix / 10) * 10
    if note is None and gap < 0.008:
        return Trip(day, stop.number, line, None, fares, "counter fault")
    if note is None and gap > 0.995:
        return Trip(day, stop.number, line, boardings, None, None)
    return Trip(day, stop.number, line, boardings, fares, note)


def make_trips(rng: random.Random, weather: list[Weather]) -> list[Trip]:
    """Return a row for every day, line and stop the line calls at."""
    stops = {stop.number: stop for stop in STOPS}
    return [
        make_trip(rng, stops[number], line, day)
        for day in weather
        for line, numbers in LINES.items()
        for number in numbers
    ]


# Expected fares in yen, April to September; the storms of August were not foreseen.
BUDGET = {
    "Harbour": (32_500_000, 33_000_000, 31_000_000, 32_000_000, 33_500_000, 31_500_000),
    "Hill": (16_500_000, 16_500_000, 15_500_000, 16_000_000, 16_500_000, 15_500_000),
    "Canal": (9_000_000, 9_000_000, 8_500_000, 9_000_000, 9_500_000, 8_500_000),
}
TICKETS = (("大人普通券", 210), ("小児普通券", 110), ("大人一日乗車券", 650), ("小児一日乗車券", 330))


def write_stops(path: Path) -> None:
    """Write the stops as a Japanese spreadsheet program would: CP932 with CRLF."""
    with path.open("w", encoding="cp932", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(["停留所番号", "停留所名", "よみ", "区", "開業日", "屋根あり"])
        writer.writerows((*stop[:5], "○" if stop.roof else "×") for stop in STOPS)


def write_trips(path: Path, trips: list[Trip]) -> None:
    """Write the ridership as UTF-8 CSV; a missing value is an empty field."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Trip._fields)
        writer.writerows(trips)


def write_weather(path: Path, weather: list[Weather]) -> None:
    """Write the weather as Parquet, with a DATE, a DOUBLE, a DECIMAL and a VARCHAR column."""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(
            "CREATE TABLE weather (date DATE, mean_temp_c DOUBLE, rain_mm DECIMAL(5, 1), condition VARCHAR)"
        )
        connection.executemany("INSERT INTO weather VALUES (?, ?, ?, ?)", weather)
        connection.sql("SELECT * FROM weather ORDER BY date").write_parquet(str(path), compression="zstd")


def write_budget(path: Path) -> None:
    """Write the budget as an Excel workbook of two sheets: expected fares, and what a ticket costs."""
    with xlsxwriter.Workbook(str(path)) as book:
        book.set_properties({"created": dt.datetime(2025, 3, 31)})  # noqa: DTZ001 - Excel knows no zones
        title, head = book.add_format({"bold": True, "font_size": 14}), book.add_format({"bold": True})
        month = book.add_format({"num_format": "yyyy-mm"})
        sheet = book.add_worksheet("運賃収入")
        sheet.write(0, 0, "港の里電鉄　令和7年度上期 予算", title)
        sheet.write_row(2, 0, ["月", "路線", "予算_円"], head)
        rows = [(dt.date(2025, 4 + n, 1), line, yen) for line, budget in BUDGET.items() for n, yen in enumerate(budget)]
        for place, (day, line, yen) in enumerate(sorted(rows), start=3):
            sheet.write_datetime(place, 0, day, month)
            sheet.write_row(place, 1, [line, yen])
        tickets = book.add_worksheet("券種")
        tickets.write_row(0, 0, ["券種", "円"], head)
        for place, ticket in enumerate(TICKETS, start=1):
            tickets.write_row(place, 0, ticket)


# --- The text of the PDFs -------------------------------------------------------------------------------------------


# Each string is one page, which must fit on one sheet: "# " begins its title, "## " a heading, "|" a row of a ruled
# table (the first row is the head); other blocks are paragraphs.
HANDBOOK = (
    """
# 1. The network and its hours

## Welcome

The Minato-no-Sato Tramway carries passengers between the railway station, the old harbour and the hills above the
town. The town, the tramway and everything else in this handbook are made up: they exist only as example data.

## Three lines

Trams run on three lines and call at 24 stops. The Harbour Line (stops 101 to 110) follows the waterfront from
Station Front to the lighthouse. The Hill Line (stops 201 to 208) climbs to the university and the lookout. The
Canal Line (stops 301 to 306) passes the warehouses on its way to the ferry landing. All three lines meet at Central
Square, stop 105, and the Harbour and Canal lines meet again at Pier One, stop 108.

The oldest section, from Station Front to Harbour Park, opened on 1 June 1912. The Hill Line followed in 1926 and
the Canal Line in 1958.

## First and last trams

The first tram leaves Station Front at 05:42 and the last tram leaves at 23:58, every day of the year. Between 07:00
and 19:00 there is a tram every 8 minutes on the Harbour Line, every 12 minutes on the Hill Line and every 15
minutes on the Canal Line. At other times each line runs every 20 minutes.

On the night of the Lantern Festival, the second Saturday of August, the Harbour Line runs extra trams until 00:40.
""",
    """
# 2. Fares and tickets

## What a ride costs

The fare does not depend on the distance. An adult single costs 210 yen and a child single costs 110 yen. Passengers
aged 6 to 11 pay the child fare, and children under 6 ride free. A day pass costs 650 yen for an adult, so it is the
cheaper choice from the fourth ride of the day.

| Ticket | Adult | Child | Valid for |
| Single | 210 yen | 110 yen | One ride, with one change within 60 minutes |
| Day pass | 650 yen | 330 yen | All lines until the last tram of the day |
| Ten-ride book | 1,890 yen | 990 yen | Ten rides within six months |
| Monthly pass | 7,400 yen | 3,700 yen | All lines for one calendar month |
| Bicycle ticket | 150 yen | 150 yen | One bicycle for one ride, off-peak only |

## Paying

Pay at the front door when you board. The fare box takes coins and 1,000 yen notes, but it does not take larger
notes. Passes and ten-ride books are sold at Station Front and Central Square. A passenger found without a valid
ticket pays the adult single fare and a surcharge of 420 yen.

## The anniversary fare

On 1 June, the anniversary of the opening, every ride costs 100 yen for adults and children alike. Day passes are
not sold on that day.

## Refunds

An unused ten-ride book or monthly pass can be returned within 14 days. A handling fee of 220 yen is kept back.
""",
    """
# 3. Bicycles, luggage and animals

## Bicycles

Bicycles are allowed off-peak with a bicycle ticket, which costs 150 yen a ride. Off-peak means from 09:30 to 16:00
and after 19:30 on working days, and all day on Saturdays, Sundays and public holidays. Each tram has room for two
bicycles on the rear platform. A folded bicycle in a bag counts as luggage and needs no ticket.

## Luggage and prams

You may bring two pieces of luggage free of charge, each at most 120 cm long and 20 kg in weight. Surfboards and
skis may be up to 180 cm long if they are in a cover. Prams do not have to be folded: please use the space beside
the middle door and put the brake on.

## Animals

Small animals ride free in a closed carrier up to 70 cm long. Assistance dogs are welcome on every tram at any time
and need no carrier. Other dogs that do not fit in a carrier cannot be taken on board.

## Food and drink

Drinks with a lid are allowed. Hot food is not, because its smell stays in the car for the passengers who come after
you. Smoking is forbidden on all trams and at all stops.
""",
    """
# 4. Weather and disruption

## Heavy rain

On any day with more than 50 mm of rain, all three lines change to the reduced timetable: there is one tram every 30
minutes from the first tram to the last. A day with exactly 50 mm keeps the usual timetable.

On any day with more than 120 mm of rain, the Hill Line is suspended from the first tram to the last, because water
runs down the slope at stop 201 faster than the drains can take it. The Harbour and Canal lines stay on the reduced
timetable.

## Wind and snow

When the wind at the lighthouse reaches 25 metres a second, Harbour Line trams turn back at Harbour Park, stop 107.
With more than 10 cm of snow on the ground, the Hill Line starts at 08:00 instead of with the first tram.

## Getting there all the same

While the Hill Line is suspended, tram tickets and passes are accepted on town bus 7, which leaves Central Square
every 40 minutes.

## Delays

If your tram reaches your stop more than 25 minutes late, ask the driver for a delay slip. Within 7 days you can
exchange it for one free single at Station Front. No slips are given out on days with the reduced timetable.
""",
    """
# 5. Lost property and accessibility

## Lost property

Things left on a tram are taken to the lost property counter at Station Front the same evening. Lost property is
kept for 30 days, counted from the day it was found, and then handed over to the town. The counter is open from
08:00 to 20:00 every day except 31 December. Collecting something costs nothing, but please bring proof of who you
are and describe the item. Food is thrown away at the end of the day.

## Wheelchairs

Every tram has a low floor and two wheelchair spaces. The driver puts out the ramp at the middle door; you do not
need to book. All stops are step-free except stop 203, which lies at the foot of the stone steps. Passengers in
wheelchairs should use stop 202 instead.

## Waiting and finding your way

A roof covers the platform at 14 of the 24 stops. Stops are announced in Japanese and English. Every platform edge
has tactile paving, and the hearing loop works in the front half of the tram.

## About this handbook

This handbook holds from 1 April 2025. Its rules agree with the tables that come with it: the stops, the daily
ridership and the weather.
""",
)

SERVICE_GUIDE = (
    """
# 1. 運賃と運行時間

## はじめに

港の里電鉄は、駅前と港、丘の上の住宅地を結ぶ路面電車です。
港の里という町も、この電鉄も架空のもので、この案内は例として作られたデータです。

## 運賃

運賃は乗車距離にかかわらず均一で、大人210円、小児110円です。
小児運賃は6歳から11歳までのお客さまに適用し、6歳未満は無料です。
一日乗車券は大人650円、小児330円で、当日の終電まで全線で何度でもご利用いただけます。

運賃は乗車時に前の扉でお支払いください。
運賃箱で使えるのは、硬貨と千円札だけです。
開業記念日の6月1日は、大人も小児も1乗車100円です。

## 路線と乗り換え

港線、丘線、運河線の3路線があり、停留所は24か所です。
3路線は中央広場（105番）で接続し、港線と運河線は①番ふ頭（108番）でも乗り換えられます。
普通運賃では、60分以内に1回まで乗り換えができます。

## 始発と終電

港の里駅前の始発は5時42分、終電は23時58分で、年間を通じて変わりません。
7時から19時までは、港線が8分、丘線が12分、運河線が15分ごとに運行します。
そのほかの時間帯は、各線とも20分ごとです。

8月の第2土曜日に開かれる灯籠まつりの夜は、港線のみ0時40分まで臨時電車を運行します。
""",
    """
# 2. 荒天時の運行と運休基準

## 大雨のとき

1日の雨量が50ミリを超える日は、全線を減便ダイヤに切り替え、始発から終電まで30分ごとに運行します。
雨量がちょうど50ミリの日は、通常どおりの運行です。

1日の雨量が120ミリを超える日は、丘線を始発から終日運休とします。
髙見坂（201番）の斜面に水が流れ込み、安全に走れないためです。
港線と運河線は、減便ダイヤで運行を続けます。

| 1日の雨量 | 港線・運河線 | 丘線 |
| 50ミリ以下 | 通常運行 | 通常運行 |
| 50ミリを超える | 減便（30分ごと） | 減便（30分ごと） |
| 120ミリを超える | 減便（30分ごと） | 終日運休 |

## 強風と雪

灯台で風速25メートル以上を観測したときは、港線の電車は港公園（107番）で折り返します。
積雪が10センチを超えた朝は、丘線の運行を8時から始めます。

## 振替輸送と遅延

丘線の運休中は、電車の乗車券で町営バス7系統をご利用いただけます。
バスは中央広場から40分ごとに発車します。

到着が25分を超えて遅れたときは、乗務員が遅延券をお渡しします。
遅延券は、7日以内に港の里駅前の窓口で1回分の乗車券と交換できます。
減便ダイヤの日は、遅延券をお渡ししません。
""",
    """
# 3. 忘れ物と車内でのお願い

## 忘れ物

車内の忘れ物は、その日のうちに港の里駅前の忘れ物窓口へ集めます。
保管期間は見つかった日から30日間で、その後は町に引き渡します。
食品は当日中に処分します。

窓口の受付時間は8時から20時まで、休みは12月31日だけです。
受け取りは無料ですが、本人を確かめられるものをお持ちください。

## 自転車と手回り品

自転車は、混雑しない時間帯に限り、1台150円の自転車券で持ち込めます。
平日は9時30分から16時までと19時30分以降、土曜・日曜・祝日は終日です。
1両に2台まで、後ろのデッキに載せてください。
折りたたんで袋に入れた自転車は無料です。

手回り品は、長さ120センチ、重さ20キロまでのものを2個まで持ち込めます。
小さな動物は、長さ70センチ以内のかごに入れてください。
補助犬は、いつでもそのまま乗車できます。

## 車いすをご利用の方へ

全車両が低床車で、車いす用の場所が2か所あります。
予約はいりません。
石段下（203番）のみ階段があるため、隣の図書館前（202番）をご利用ください。
屋根のある停留所は、24か所のうち14か所です。

## この案内について

この案内の内容は、2025年4月1日から適用します。
停留所、利用状況、天気の各表とも一致しています。
""",
)

# --- Typesetting ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Design:
    """What differs between the two guides besides their words."""

    file_name: str
    language: str
    title: str
    subject: str
    header: str
    footer: str  # with {page} and {pages}
    regular: str
    bold: str
    size: float
    leading: float


ENGLISH = Design(
    file_name="passenger-handbook.pdf",
    language="en",
    title="Minato-no-Sato Tramway: Passenger Handbook",
    subject="A made-up tram network, for trying out software",
    header="Minato-no-Sato Tramway | Passenger Handbook",
    footer="Made-up example data | Page {page} of {pages}",
    regular="Helvetica",
    bold="Helvetica-Bold",
    size=12.5,
    leading=20,
)
JAPANESE = Design(
    file_name="運行案内.pdf",
    language="ja",
    title="港の里電鉄 運行案内",
    subject="架空の路面電車の例データ",
    header="港の里電鉄　運行案内",
    footer="架空の例データ　{page} / {pages} ページ",
    regular="BIZUDGothic",
    bold="BIZUDGothic-Bold",
    size=12,
    leading=23,
)
AUTHOR = "Fresh Context example data"
MARGIN = 20 * mm
INK, ACCENT, PALE, GREY = HexColor("#1f2933"), HexColor("#0b5f73"), HexColor("#e3eff2"), HexColor("#5f6b76")
# A phrase: what is not hiragana, the hiragana that follows, and closing punctuation. Lines break between phrases,
# so that neither a number nor a word is torn apart and a search in the extracted text finds it.
PHRASE = re.compile(r"(?:港の里|[^ぁ-ん、。])*[ぁ-ん]*[、。）]*")


def break_japanese(text: str, font: str, size: float, width: float) -> str:
    """Return paragraph markup with a line break wherever the next phrase would not fit."""
    lines = [""]
    for phrase in PHRASE.findall(text):
        if pdfmetrics.stringWidth(lines[-1] + phrase, font, size) > width:
            lines.append("")
        lines[-1] += phrase
    return "<br/>".join(escape(line) for line in lines)


def paragraph(text: str, design: Design, *, bold: bool = False, scale: float = 1, before: float = 0) -> Any:
    """Return the text as a flowable in the design's font."""
    font = design.bold if bold else design.regular
    style = ParagraphStyle(
        "text",
        fontName=font,
        fontSize=design.size * scale,
        leading=design.leading * scale,
        textColor=ACCENT if bold else INK,
        spaceBefore=before,
        spaceAfter=5,
    )
    width = A4[0] - 2 * MARGIN
    markup = break_japanese(text, font, style.fontSize, width) if design.language == "ja" else escape(text)
    return Paragraph(markup, style)


def ruled_table(block: str, design: Design) -> Any:
    """Return the rows of the block as a ruled table with a shaded head."""
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in block.splitlines()]
    table = Table(rows, hAlign="LEFT", spaceBefore=7, spaceAfter=11)
    table.setStyle(
        TableStyle(
            [
                ("GRID", (0, 0), (-1, -1), 0.6, GREY),
                ("BACKGROUND", (0, 0), (-1, 0), PALE),
                ("FONT", (0, 0), (-1, -1), design.regular, design.size - 2, design.size),
                ("FONT", (0, 0), (-1, 0), design.bold, design.size - 2, design.size),
                ("TEXTCOLOR", (0, 0), (-1, -1), INK),
                ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
                ("LEFTPADDING", (0, 0), (-1, -1), 8),
                ("RIGHTPADDING", (0, 0), (-1, -1), 16),
                ("TOPPADDING", (0, 0), (-1, -1), 4),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
            ]
        )
    )
    return table


def page_flowables(page: str, design: Design, canvas: Any, key: str) -> list[Any]:
    """Return the page's title, headings, paragraphs and tables in order, and list the headings in the outline."""
    flowables: list[Any] = []
    for block in page.strip().split("\n\n"):
        mark, _, heading = block.partition(" ")
        if mark == "#":
            canvas.addOutlineEntry(heading, f"{key}-{len(flowables)}", level=0)
            canvas.bookmarkPage(f"{key}-{len(flowables)}")
            flowables.append(paragraph(heading, design, bold=True, scale=1.6))
        elif mark == "##":
            canvas.addOutlineEntry(heading, f"{key}-{len(flowables)}", level=1)
            canvas.bookmarkPage(f"{key}-{len(flowables)}")
            flowables.append(paragraph(heading, design, bold=True, scale=1.12, before=9))
        elif mark == "|":
            flowables.append(ruled_table(block, design))
        else:
            joiner = "" if design.language == "ja" else " "
            flowables.append(paragraph(joiner.join(block.splitlines()), design))
    return flowables


def draw_running_line(canvas: Any, text: str, design: Design, *, top: bool) -> None:
    """Draw the running header (left, at the top) or footer (right, at the bottom) with its rule."""
    width, height = A4
    rule = height - 17 * mm if top else 17 * mm
    canvas.setStrokeColor(ACCENT)
    canvas.setLineWidth(0.6)
    canvas.line(MARGIN, rule, width - MARGIN, rule)
    canvas.setFillColor(GREY)
    canvas.setFont(design.regular, 9)
    if top:
        canvas.drawString(MARGIN, rule + 2 * mm, text)
    else:
        canvas.drawRightString(width - MARGIN, rule - 4.5 * mm, text)


def write_guide(path: Path, pages: tuple[str, ...], design: Design) -> None:
    """Set one guide, a sheet for each page; raise RuntimeError if a page does not fit on its sheet."""
    canvas = Canvas(str(path), pagesize=A4, invariant=1, pageCompression=1, lang=design.language)
    canvas.setTitle(design.title)
    canvas.setAuthor(AUTHOR)
    canvas.setSubject(design.subject)
    canvas.setCreator("examples/make_data.py")
    canvas.setViewerPreference("DisplayDocTitle", "true")
    canvas.showOutline()
    for number, page in enumerate(pages, 1):
        key = f"page-{number}"
        draw_running_line(canvas, design.header, design, top=True)
        sheet = Frame(MARGIN, 20 * mm, A4[0] - 2 * MARGIN, A4[1] - 42 * mm, leftPadding=0, rightPadding=0, topPadding=6)
        left_over = page_flowables(page, design, canvas, key)
        sheet.addFromList(left_over, canvas)
        if left_over:
            raise RuntimeError(f"{path.name}: page {number} does not fit on one sheet; shorten its text")
        draw_running_line(canvas, design.footer.format(page=number, pages=len(pages)), design, top=False)
        canvas.showPage()
    canvas.save()


def register_fonts(folder: Path) -> None:
    """Make BIZ UDGothic known to reportlab; raise FileNotFoundError saying where to get it."""
    for name, file_name in ((JAPANESE.regular, "BIZUDGothic-Regular.ttf"), (JAPANESE.bold, "BIZUDGothic-Bold.ttf")):
        path = folder / file_name
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing. Install the Debian package fonts-morisawa-bizud-gothic, "
                "or name the folder that holds the BIZ UDGothic TrueType files with --fonts."
            )
        pdfmetrics.registerFont(TTFont(name, str(path)))


def write_all(out: Path, fonts: Path) -> list[Path]:
    """Write every file under `out` and return their paths."""
    register_fonts(fonts)
    for folder in ("stops", "ridership", "finance", "guides"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    rng = random.Random(SEED)
    weather = make_weather(rng)
    stops_csv, trips_csv = out / "stops" / "停留所.csv", out / "ridership" / "trips.csv"
    weather_parquet = out / "ridership" / "weather.parquet"
    budget = out / "finance" / "予算.xlsx"
    handbook, guide = out / "guides" / ENGLISH.file_name, out / "guides" / JAPANESE.file_name
    write_stops(stops_csv)
    write_trips(trips_csv, make_trips(rng, weather))
    write_weather(weather_parquet, weather)
    write_budget(budget)
    write_guide(handbook, HANDBOOK, ENGLISH)
    write_guide(guide, SERVICE_GUIDE, JAPANESE)
    return [stops_csv, trips_csv, weather_parquet, budget, handbook, guide]


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(description="Write the made-up example data of Fresh Context.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="folder to write to")
    parser.add_argument("--fonts", type=Path, default=DEBIAN_FONTS, help="folder with the BIZ UDGothic .ttf files")
    options = parser.parse_args()
    try:
        written = write_all(options.out, options.fonts)
    except (OSError, RuntimeError) as error:
        print(f"make_data: {error}", file=sys.stderr)
        return 1
    for path in written:
        print(f"{path.stat().st_size:>9,} bytes  {path.relative_to(options.out)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
