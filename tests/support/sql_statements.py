"""Statements that `query_tables` must answer or refuse, and the folders around which they are made.

Tests and the bench share them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SALES = """\
id,region,day,amount,note
1,north,2026-01-01,10,
2,north,2026-01-02,20,late
3,south,2026-01-03,30,
4,east,2026-01-04,5,x
"""

# Statements and the rows they return, in any order.
READING: list[tuple[str, list[list[Any]]]] = [
    ("SELECT 1", [[1]]),
    ("SELECT 1;", [[1]]),
    ("  SELECT 1 ; ", [[1]]),
    ("SELECT count(*) FROM sales", [[4]]),
    ("FROM managers", [["north", "Aoki"], ["south", "Baba"]]),
    ("FROM sales SELECT id WHERE amount > 15", [[2], [3]]),
    ("TABLE managers", [["north", "Aoki"], ["south", "Baba"]]),
    ("SELECT id FROM main.sales WHERE id < 2", [[1]]),
    ("SELECT id FROM SALES WHERE ID = 1", [[1]]),
    ('SELECT "id" FROM "sales" WHERE "region" = \'east\'', [[4]]),
    # Joins.
    ("SELECT s.id, m.manager FROM sales s JOIN managers m USING (region)", [[1, "Aoki"], [2, "Aoki"], [3, "Baba"]]),
    ("SELECT id, manager FROM sales LEFT JOIN managers USING (region) WHERE id > 2", [[3, "Baba"], [4, None]]),
    ("SELECT id, manager FROM sales FULL JOIN managers USING (region) WHERE manager IS NULL", [[4, None]]),
    ("SELECT id FROM sales NATURAL JOIN managers", [[1], [2], [3]]),
    ("SELECT id FROM sales SEMI JOIN managers USING (region)", [[1], [2], [3]]),
    ("SELECT id FROM sales ANTI JOIN managers USING (region)", [[4]]),
    ("SELECT s.id, p.price FROM sales s ASOF JOIN prices p ON s.day >= p.day", [[1, 7], [2, 7], [3, 8], [4, 8]]),
    ("SELECT id, manager FROM sales POSITIONAL JOIN managers WHERE id = 2", [[2, "Baba"]]),
    ("SELECT count(*) FROM sales a CROSS JOIN sales b", [[16]]),
    ("SELECT s.id, x.twice FROM sales s, LATERAL (SELECT s.amount * 2 AS twice) x WHERE id = 4", [[4, 10]]),
    # Common table expressions.
    ("WITH big AS (SELECT * FROM sales WHERE amount > 15) SELECT count(*) FROM big", [[2]]),
    ("WITH a AS (FROM sales), b AS (SELECT sum(amount) AS total FROM a) FROM b", [[65]]),
    ("WITH a AS MATERIALIZED (FROM sales) SELECT max(amount) FROM a", [[30]]),
    ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT sum(i) FROM n", [[55]]),
    ("WITH RECURSIVE n AS (SELECT 1 AS i UNION SELECT i % 5 + 1 FROM n) SELECT count(*) FROM n", [[5]]),
    # Windows, grouping, sets.
    ("SELECT id, row_number() OVER (PARTITION BY region ORDER BY id) FROM sales", [[1, 1], [2, 2], [3, 1], [4, 1]]),
    ("SELECT id, lag(amount) OVER (ORDER BY id) FROM sales", [[1, None], [2, 10], [3, 20], [4, 30]]),
    (
        "SELECT id, sum(amount) OVER w FROM sales WINDOW w AS (ORDER BY id ROWS 1 PRECEDING)",
        [[1, 10], [2, 30], [3, 50], [4, 35]],
    ),
    ("SELECT id FROM sales QUALIFY row_number() OVER (PARTITION BY region ORDER BY amount DESC) = 1", [[2], [3], [4]]),
    ("SELECT region, sum(amount) FROM sales GROUP BY ALL", [["north", 30], ["south", 30], ["east", 5]]),
    ("SELECT region, count(*) FROM sales GROUP BY region HAVING count(*) > 1", [["north", 2]]),
    (
        "SELECT region, sum(amount) FROM sales GROUP BY ROLLUP (region)",
        [["north", 30], ["south", 30], ["east", 5], [None, 65]],
    ),
    ("SELECT count(*) FILTER (WHERE amount > 15) FROM sales", [[2]]),
    ("SELECT list(id ORDER BY amount DESC) FROM sales", [[[3, 2, 1, 4]]]),
    ("SELECT arg_max(id, amount), median(amount), mode(region) FROM sales", [[3, 15.0, "north"]]),
    ("SELECT DISTINCT region FROM sales", [["north"], ["south"], ["east"]]),
    ("SELECT DISTINCT ON (region) id FROM sales ORDER BY region, amount DESC", [[4], [2], [3]]),
    ("SELECT region FROM managers UNION SELECT 'west'", [["north"], ["south"], ["west"]]),
    ("SELECT 1 AS a UNION ALL BY NAME SELECT 2 AS b", [[1, None], [None, 2]]),
    ("SELECT region FROM sales EXCEPT SELECT region FROM managers", [["east"]]),
    ("SELECT region FROM sales INTERSECT SELECT region FROM managers", [["north"], ["south"]]),
    ("VALUES (1, 'a'), (2, 'b')", [[1, "a"], [2, "b"]]),
    ("SELECT s FROM (VALUES (1, 'a')) AS t(n, s)", [["a"]]),
    # Subqueries.
    ("SELECT id FROM sales WHERE amount = (SELECT max(amount) FROM sales)", [[3]]),
    ("SELECT id FROM sales s WHERE EXISTS (FROM managers m WHERE m.region = s.region)", [[1], [2], [3]]),
    ("SELECT id FROM sales WHERE region NOT IN (SELECT region FROM managers)", [[4]]),
    # Stars and columns.
    ("SELECT * EXCLUDE (day, note, region) FROM sales WHERE id = 1", [[1, 10]]),
    ("SELECT * REPLACE (manager || '!' AS manager) FROM managers WHERE region = 'north'", [["north", "Aoki!"]]),
    ("SELECT * RENAME (manager AS boss) FROM managers WHERE manager = 'Baba'", [["south", "Baba"]]),
    ("SELECT max(COLUMNS(*)) FROM managers", [["south", "Baba"]]),
    ("SELECT COLUMNS('am.*') FROM sales WHERE id = 1", [[10]]),
    ("SELECT COLUMNS(lambda c: c LIKE 'am%') FROM sales WHERE id = 1", [[10]]),
    # Nested values and lambdas.
    ("SELECT list_transform([1, 2, 3], lambda x: x + 1)", [[[2, 3, 4]]]),
    ("SELECT list_filter([1, 2, 3], lambda x: x > 1)", [[[2, 3]]]),
    ("SELECT [x * 2 FOR x IN [1, 2, 3] IF x > 1]", [[[4, 6]]]),
    ("SELECT {'a': 1, 'b': 'two'}", [[{"a": 1, "b": "two"}]]),
    ("SELECT struct_pack(a := 1, b := 2).b", [[2]]),
    ("SELECT MAP {'k': 1}['k']", [[1]]),
    ("SELECT [1, 2, 3][2:], [1] || [2]", [[[2, 3], [1, 2]]]),
    ("SELECT unnest([1, 2, 3]) AS n", [[1], [2], [3]]),
    ("SELECT x FROM unnest(['a', 'b']) AS t(x)", [["a"], ["b"]]),
    ("SELECT unnest({'a': 1, 'b': 2})", [[1, 2]]),
    # Text, dates, JSON.
    ("SELECT regexp_extract('abc-123', '(\\d+)', 1), regexp_replace('abc', 'b', 'x')", [["123", "axc"]]),
    ("SELECT id FROM sales WHERE region SIMILAR TO 's.*' OR region ILIKE 'E%'", [[3], [4]]),
    ("SELECT id FROM sales WHERE region GLOB 'e*'", [[4]]),
    ("SELECT strftime(day, '%Y/%m/%d') FROM sales WHERE id = 3", [["2026/01/03"]]),
    ("SELECT date_diff('day', DATE '2026-01-01', DATE '2026-02-01'), DATE '2026-01-31' + 1", [[31, "2026-02-01"]]),
    ("SELECT extract(year FROM day), dayname(day) FROM sales WHERE id = 1", [[2026, "Thursday"]]),
    ("SELECT TIMESTAMPTZ '2026-01-01 00:00:00+09' AT TIME ZONE 'Asia/Tokyo'", [["2026-01-01 00:00:00"]]),
    ("SELECT json_extract_string('{\"a\": [1, 2]}', '$.a[1]'), json_object('a', 1)", [["2", '{"a":1}']]),
    ("SELECT payload.kind FROM events", [["a"], ["b"]]),
    ("SELECT TRY_CAST('x' AS INTEGER), CAST(1.5 AS DECIMAL(10, 2)), '5'::INTEGER", [[None, 1.5, 5]]),
    ("SELECT CASE WHEN amount > 15 THEN 'high' ELSE 'low' END FROM sales WHERE id = 1", [["low"]]),
    # Japanese names.
    ("SELECT 地域, sum(金額) AS 合計 FROM 売上 GROUP BY ALL", [["東京", 101], ["大阪", 50]]),
    ('SELECT "地域" AS "地 域" FROM "売上" WHERE "金額" = 50', [["大阪"]]),
    # Text that only looks like something else.
    ("SELECT 1 -- ; DROP VIEW sales", [[1]]),
    ("-- SELECT 2;\nSELECT 1", [[1]]),
    ("/* DROP VIEW sales; */ SELECT 1 /* ; */", [[1]]),
    ("SELECT 'a;b', 'DROP TABLE sales', 'it''s; -- fine'", [["a;b", "DROP TABLE sales", "it's; -- fine"]]),
    ("SELECT $$dollar; COPY x TO 'y'$$", [["dollar; COPY x TO 'y'"]]),
    ("SELECT 'delete' AS \"drop\", 1 AS \"copy\"", [["delete", 1]]),
    # Reshaping and generating.
    ("PIVOT (SELECT region, amount FROM sales) ON region IN ('north', 'south') USING sum(amount)", [[30, 30]]),
    ("SELECT north FROM (PIVOT sales ON region IN ('north') USING sum(amount) GROUP BY note)", [[10], [20], [None]]),
    ("PIVOT (SELECT region, amount FROM sales) ON region USING sum(amount)", [[5, 30, 30]]),
    ("PIVOT sales ON region, id % 2 USING sum(amount) GROUP BY note LIMIT 0", []),
    ("FROM (PIVOT (SELECT region, amount FROM sales) ON region USING sum(amount))", [[5, 30, 30]]),
    ("WITH p AS (PIVOT (FROM (SELECT region FROM sales)) ON region USING count(*)) SELECT north FROM p", [[2]]),
    ("WITH a AS (SELECT region FROM sales) PIVOT a ON region USING count(*)", [[1, 2, 1]]),
    ("WITH a AS (SELECT region FROM sales), b AS (PIVOT a ON region USING count(*)) FROM b", [[1, 2, 1]]),
    ("WITH a AS (SELECT region FROM sales) FROM (PIVOT a ON region USING count(*))", [[1, 2, 1]]),
    ("-- all\nPIVOT sales ON year(day) USING sum(amount) GROUP BY region ORDER BY ALL LIMIT 1", [["east", 5]]),
    ("PIVOT (SELECT amount FROM sales) ON amount > 15 USING count(*) GROUP BY amount LIMIT 0", []),
    ("SELECT sum(count) FROM histogram(sales, amount)", [[4]]),
    ("UNPIVOT (SELECT id, amount FROM sales WHERE id = 1) ON amount INTO NAME k VALUE v", [[1, "amount", 10]]),
    ("FROM range(3)", [[0], [1], [2]]),
    ("SELECT d::DATE FROM generate_series(DATE '2026-01-01', DATE '2026-01-02', INTERVAL 1 DAY) t(d)",
     [["2026-01-01"], ["2026-01-02"]]),
    # What tells about tables.
    ("SHOW TABLES", [["events"], ["managers"], ["prices"], ["sales"], ["売上"]]),
    ("SELECT column_name, column_type FROM (DESCRIBE managers)", [["region", "VARCHAR"], ["manager", "VARCHAR"]]),
    ("SELECT column_name, min, max FROM (SUMMARIZE 売上) WHERE column_name = '金額'", [["金額", "1", "100"]]),
    # Indirect, but harmless.
    ("FROM query('SELECT count(*) FROM sales')", [[4]]),
    ("SELECT max(id) FROM query_table('sales')", [[4]]),
]  # fmt: skip

WRITING = [
    "SELECT 1; DROP VIEW sales",
    "SELECT 1; SELECT 2",
    "SELECT 1;; COPY sales TO '{root}/out.csv'",
    "WITH a AS (DELETE FROM sales RETURNING *) SELECT * FROM a",
    "WITH a AS (UPDATE sales SET amount = 0 RETURNING *) SELECT * FROM a",
    "WITH a AS (INSERT INTO managers VALUES ('a', 'b') RETURNING *) SELECT * FROM a",
    "WITH a AS (COPY sales TO '{root}/out.csv' (USE_TMP_FILE false)) SELECT 1",
    "WITH a AS (COPY (SELECT 1) TO '{spill}/out.csv' (USE_TMP_FILE false)) SELECT 1",
    "WITH a AS (COPY (SELECT 1) TO '{root}/sales.csv' (USE_TMP_FILE false)) SELECT count(*) FROM sales",
    "SELECT * FROM (WITH a AS (COPY sales TO '{root}/out.csv' (USE_TMP_FILE false)) SELECT 1)",
    "SELECT (WITH a AS (COPY sales TO '{root}/out.csv' (USE_TMP_FILE false)) SELECT 1)",
    "SELECT 1 UNION (WITH a AS (COPY sales TO '{root}/out.csv' (USE_TMP_FILE false)) SELECT 1)",
    "EXPLAIN ANALYZE COPY sales TO '{root}/out.csv'",
    "EXPLAIN ANALYZE DELETE FROM sales",
    "EXPLAIN ANALYZE WITH a AS (COPY sales TO '{root}/out.csv' (USE_TMP_FILE false)) SELECT 1",
    "EXPLAIN COPY sales TO '{root}/out.csv'",
    "EXPLAIN (ANALYZE) DELETE FROM sales",
    "EXPLAIN (FORMAT json) SELECT 1",
    "EXPLAIN PREPARE p AS COPY sales TO '{root}/out.csv'",
    "EXPLAIN SELECT 1; DROP VIEW sales",
    "explain /* */ analyze -- a\ncopy sales to '{root}/out.csv'",
    "PIVOT sales ON region USING sum(amount); DROP VIEW sales",
    "PIVOT (WITH a AS (COPY sales TO '{root}/out.csv' (USE_TMP_FILE false)) SELECT 1 AS c) ON c USING count(*)",
    "WITH a AS (COPY sales TO '{root}/out.csv' (USE_TMP_FILE false)) PIVOT sales ON region USING count(*)",
    "CREATE TABLE t AS PIVOT sales ON region USING sum(amount)",
    "COPY (PIVOT sales ON region USING sum(amount)) TO '{root}/out.csv'",
    "COPY sales TO '{root}/out.csv'",
    "COPY sales TO '{spill}/out.csv'",
    "COPY (SELECT 1) TO '/dev/stdout'",
    "EXPORT DATABASE '{root}/export'",
    "EXPORT DATABASE '{spill}/export'",
    "IMPORT DATABASE '{root}'",
    "ATTACH '{root}/x.duckdb'",
    "ATTACH '{spill}/x.duckdb' AS x",
    "ATTACH ':memory:' AS x",
    "DETACH memory",
    "USE memory",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{root}/evil.duckdb_extension'",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET VARIABLE x = 1",
    "SET SESSION threads = 8",
    "RESET enable_external_access",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "CALL pragma_version()",
    "CHECKPOINT",
    "VACUUM",
    "ANALYZE",
    "BEGIN",
    "COMMIT",
    "CREATE TABLE t AS SELECT 1",
    "CREATE TEMP TABLE t AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE OR REPLACE VIEW sales AS SELECT 1",
    "CREATE MACRO f() AS TABLE FROM read_text('/etc/passwd')",
    "CREATE SECRET s (TYPE s3)",
    "INSERT INTO managers VALUES ('a', 'b')",
    "UPDATE sales SET amount = 0",
    "DELETE FROM sales",
    "TRUNCATE sales",
    "MERGE INTO sales USING managers ON true WHEN MATCHED THEN DELETE",
    "DROP VIEW sales",
    "ALTER TABLE sales ADD COLUMN x INT",
    "COMMENT ON TABLE sales IS 'x'",
    "PREPARE p AS COPY sales TO '{root}/out.csv'",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    ";",
    "-- nothing",
]

REACHING = [
    "FROM read_text('{outside}/secret.csv')",
    "FROM read_csv('{outside}/secret.csv')",
    "FROM read_csv('{outside}/secret.csv', auto_detect = false, columns = {{'a': 'VARCHAR'}})",
    "FROM read_csv_auto('{outside}/secret.csv')",
    "FROM read_blob('{outside}/secret.csv')",
    "FROM read_json('{outside}/secret.json')",
    "FROM read_ndjson_objects('{outside}/secret.json')",
    "FROM read_parquet('{outside}/secret.parquet')",
    "FROM parquet_metadata('{outside}/secret.parquet')",
    "FROM parquet_schema('{outside}/secret.parquet')",
    "FROM sniff_csv('{outside}/secret.csv')",
    "FROM read_duckdb('{outside}/secret.duckdb')",
    "EXPLAIN FROM read_csv('{outside}/secret.csv')",
    "EXPLAIN ANALYZE FROM read_text('{outside}/secret.csv')",
    "PIVOT read_csv('{outside}/secret.csv') ON a USING count(*)",
    "PIVOT sales ON (SELECT content FROM read_text('{outside}/secret.csv')) USING count(*)",
    "PIVOT sales ON region USING max((SELECT content FROM read_text('{outside}/secret.csv')))",
    "FROM histogram('{outside}/secret.csv', a)",
    "FROM glob('{outside}/*')",
    "FROM glob('{root}/*')",
    "FROM glob('{cache}/**')",
    "FROM glob('/etc/*')",
    "FROM read_text('{root}/notes.txt')",
    "FROM read_text('{root}/notes.txt'), sales",
    "FROM read_text('{root}/../outside/secret.csv'), sales",
    "FROM read_text('{root}/sales.csv/../../outside/secret.csv'), sales",
    "FROM read_text(['{root}/sales.csv', '{outside}/secret.csv']), sales",
    "FROM read_text('{cache}/tables/*')",
    "FROM read_text('{spill}/*')",
    "FROM read_csv('{cache}/tables/*.csv')",
    "FROM read_text('/proc/self/environ')",
    "FROM read_blob('/proc/self/mem')",
    "SELECT * FROM sales WHERE (SELECT count(*) FROM read_text('{outside}/secret.csv')) > 0",
    "WITH a AS (FROM read_text('{outside}/secret.csv')) FROM a",
    "FROM query('FROM read_text(''{outside}/secret.csv'')')",
    "FROM query('FROM query(''FROM read_text(''''{outside}/secret.csv'''')'')')",
    "FROM query('FROM ' || '''{outside}/secret.csv''')",
    "FROM query('COPY sales TO ''{root}/out.csv''')",
    "FROM query('SELECT 1; DROP VIEW sales')",
    "FROM query('WITH a AS (COPY sales TO ''{root}/out.csv'' (USE_TMP_FILE false)) SELECT 1')",
    "FROM query('SET lock_configuration = false')",
    "FROM query_table('{outside}/secret.csv')",
    "FROM query_table(['sales', '{outside}/secret.csv'])",
    "FROM json_execute_serialized_sql(json_serialize_sql('FROM read_text(''{outside}/secret.csv'')'))",
    "FROM '{outside}/secret.csv'",
    'FROM "{outside}/secret.csv"',
    "FROM '{outside}/secret.parquet'",
    "FROM 'secret.csv'",
    "FROM 'sales.csv'",
    "FROM '/etc/passwd'",
    "FROM 'http://127.0.0.1:9/x.csv'",
    "FROM read_csv('https://127.0.0.1:9/x.csv')",
    "FROM read_text('s3://bucket/x.txt')",
    "FROM 's3://bucket/x.parquet'",
    "FROM 'hf://datasets/a/b/x.parquet'",
    "FROM frame",
    "FROM sys",
    "FROM connection",
    "SELECT getenv('HOME')",
    "FROM pandas_scan(140000000000000)",
    "FROM arrow_scan(1, 2, 3)",
    "FROM python_map_function((FROM sales))",
    "FROM enable_logging()",
    "FROM enable_profiling()",
    "FROM sqlite_scan('{outside}/secret.db', 't')",
    "FROM postgres_scan('host=127.0.0.1', 'public', 't')",
    "FROM read_xlsx('{outside}/secret.xlsx')",
    "FROM load_aws_credentials()",
]


class Place:
    """Folders around a served root: its files, what is secret outside of it, and a cache."""

    def __init__(self, base: Path, cache: Path) -> None:
        self.base, self.cache = base, cache
        self.root, self.outside = base / "root", base / "outside"

    def write(self) -> None:
        """Make the folders and write their files, also where a statement changed them."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.outside.mkdir(exist_ok=True)
        (self.root / "sales.csv").write_text(SALES, encoding="utf-8")
        (self.root / "managers.csv").write_text("region,manager\nnorth,Aoki\nsouth,Baba\n", encoding="utf-8")
        (self.root / "prices.csv").write_text("day,price\n2025-12-31,7\n2026-01-03,8\n", encoding="utf-8")
        (self.root / "売上.csv").write_text("地域,金額\n東京,100\n大阪,50\n東京,1\n", encoding="cp932")
        (self.root / "events.jsonl").write_text('{"payload": {"kind": "a"}}\n{"payload": {"kind": "b"}}\n', "utf-8")
        (self.root / "notes.txt").write_text("TOPSECRET", encoding="utf-8")
        (self.outside / "secret.csv").write_text("a\nTOPSECRET\n", encoding="utf-8")
        (self.outside / "secret.json").write_text('{"a": "TOPSECRET"}', encoding="utf-8")
        import duckdb

        with duckdb.connect() as connection:
            connection.execute(f"COPY (SELECT 'TOPSECRET' AS a) TO '{self.outside}/secret.parquet'")

    def fill(self, sql: str, spill: str) -> str:
        """Put this place's paths into a statement."""
        return sql.format(root=self.root, outside=self.outside, cache=self.cache, spill=spill)
