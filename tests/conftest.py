"""What concerns every test: settings, who runs with whom, a ClickHouse server for many files."""

import os

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

# The same examples at every run of continuous integration: a change is judged by what it changed.
# New examples are drawn in every run by hand and in the nightly ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

# A broker that lives for a minute is ready after half the work without the optimizing compiler.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")


class TogetherByStack(LoadFileScheduling):
    """The tests of a file run in one process; so do the files of a folder that share a stack."""

    def _split_scope(self, nodeid):
        folder, found, _ = nodeid.partition("/test_feed/")
        return folder + found if found else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return TogetherByStack(config, log)


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory):
    """A server with the whole schema, one for all the tests of a process that do not harm it."""
    # Not above: a pure test needs none of this.
    from mailsla.sinks.schema import install_schema
    from tests.integration.landing_server import ClickHouseProcess

    process = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"))
    process.start()
    client = process.connect()
    install_schema(client)
    client.close()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def server(clickhouse_server):
    """That server, with not a row in any table when a file begins."""
    client = clickhouse_server.connect()
    filled = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase()"
        " AND total_rows > 0 AND name != 'schema_migrations'"
    ).result_rows
    for (name,) in filled:
        client.command("TRUNCATE TABLE {name:Identifier}", parameters={"name": name})
    client.close()
    return clickhouse_server
