"""What several fault tests start from."""

import pytest

from mailsla.sinks.schema import install_schema
from tests.stack import running_stack


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    """A stack with Apache Kafka, whose ClickHouse has its schema before any worker starts."""
    with running_stack(tmp_path_factory.mktemp("kafka"), "kafka") as stack:
        install_schema(stack.client())
        yield stack
