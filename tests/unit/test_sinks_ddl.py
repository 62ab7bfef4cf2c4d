"""Tables derived from the models, and the numbered files beside them."""

import pytest

from mailsla.schemas import topics
from mailsla.schemas.codec.columns import clickhouse_columns
from mailsla.sinks.ddl import DERIVED_TABLES, FACT_TABLES, fact_table
from mailsla.sinks.migrations import Migration, MigrationError, read_migrations, split_statements


@pytest.mark.parametrize("topic", [topic.name for topic in topics.EVENT_TOPICS])
def test_a_fact_table_has_the_event_s_columns_then_its_place_in_kafka(topic):
    columns = [(column.name, column.type) for column in fact_table(topic).columns]
    events = list(clickhouse_columns(topic))
    assert columns[: len(events)] == events
    assert [name for name, _ in columns[len(events) :]] == [
        "landed_at", "topic", "partition", "offset", "_version",
    ]  # fmt: skip


def test_every_event_topic_has_a_fact_table():
    assert set(FACT_TABLES) == {topic.name for topic in topics.EVENT_TOPICS}


@pytest.mark.parametrize("table", DERIVED_TABLES, ids=lambda table: table.name)
def test_the_sorting_key_contains_the_partition_key(table):
    assert table.partition_by is None or table.partition_by in table.order_by


@pytest.mark.parametrize("table", DERIVED_TABLES, ids=lambda table: table.name)
def test_no_column_is_named_twice(table):
    names = [column.name for column in table.columns]
    assert len(names) == len(set(names))


def test_all_shipped_statements_are_repeatable():
    migrations = read_migrations()
    assert migrations
    assert all(migration.statements for migration in migrations)


def test_a_script_is_split_at_semicolons_outside_texts_and_comments():
    script = """
    -- a comment; with a semicolon
    SELECT ';', `a;b`, "c;d" /* ; */ FROM t; SELECT 'it''s; \\'fine\\';' -- end
    ;
    ;SELECT 1 - 2 / 3
    """
    assert split_statements(script) == (
        """SELECT ';', `a;b`, "c;d"   FROM t""",
        """SELECT 'it''s; \\'fine\\';'""",
        "SELECT 1 - 2 / 3",
    )


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t (a Int8) ENGINE = Memory",
        "DROP TABLE t",
        "INSERT INTO t VALUES (1)",
        "ALTER TABLE t ADD COLUMN a Int8",
        "RENAME TABLE t TO u",
    ],
)
def test_a_statement_that_cannot_be_repeated_is_refused(statement):
    with pytest.raises(MigrationError, match=r"cannot be repeated .* write IF NOT EXISTS"):
        Migration(7, "bad", statement).statements  # noqa: B018 - the property raises


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE IF NOT EXISTS t (a Int8) ENGINE = Memory",
        "CREATE OR REPLACE VIEW v AS SELECT {month:Date}",
        "CREATE MATERIALIZED VIEW IF NOT EXISTS v TO t AS SELECT 1",
        "DROP VIEW IF EXISTS v",
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS a Int8",
        "ALTER TABLE t MODIFY COLUMN a Int16",
        "ALTER TABLE t MATERIALIZE INDEX a",
    ],
)
def test_a_repeatable_statement_is_taken(statement):
    assert Migration(7, "good", statement).statements == (statement,)


def test_two_files_of_one_number_are_refused(tmp_path):
    (tmp_path / "0007_a.sql").write_text("SELECT 1")
    (tmp_path / "0007_b.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match="share a number"):
        read_migrations(tmp_path)


def test_a_misnamed_file_is_refused(tmp_path):
    (tmp_path / "seven.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match="misnamed"):
        read_migrations(tmp_path)
