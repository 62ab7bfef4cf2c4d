"""``mailsla schemas``."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import click
import yaml

from mailsla.schemas.export.asyncapi import Deployment, asyncapi
from mailsla.schemas.export.json_schemas import export_json_schemas
from mailsla.streams.cli.support.common import settings_of, state_file_option
from mailsla.streams.cli.support.errors import CommandError
from mailsla.streams.runtime.kafka.groups import SINKS_GROUP, STREAMS_GROUP
from mailsla.streams.settings import Settings

_YAML_SUFFIXES: Final = frozenset({".yaml", ".yml"})


@click.group()
def schemas() -> None:
    """The interface in machine-readable form.

    \b
    Examples:
      mailsla schemas export build/schemas
      mailsla schemas asyncapi -o build/asyncapi.yaml
    """  # noqa: D301 - \b is click's mark for text to leave as it is


@schemas.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def export(directory: Path) -> None:
    """Write a JSON Schema per event type, result and the contract document into DIRECTORY.

    \b
    Example:
      mailsla schemas export build/schemas
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    try:
        written = export_json_schemas(directory)
    except OSError as error:
        raise CommandError(
            f"{directory} cannot be written ({error.strerror}); name another directory"
        ) from None
    click.echo(f"{len(written)} schemas in {directory}")


@schemas.command("asyncapi")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write: JSON, or YAML if it ends in .yaml or .yml.  [standard output, JSON]",
)
@state_file_option
@click.pass_context
def asyncapi_(ctx: click.Context, output: Path | None, own_state_file: Path | None) -> None:
    """Write the whole interface as one AsyncAPI 3 document.

    Every topic with its key, retention and message types, who of mailsla sends and receives, and
    the schema of each message. The address of the broker and the number of partitions are those
    of the configuration; no broker has to run.

    \b
    Examples:
      mailsla schemas asyncapi -o asyncapi.yaml
      mailsla schemas asyncapi | jq '.channels | keys'
    """  # noqa: D301 - \b is click's mark for text to leave as it is
    document = asyncapi(_deployment(settings_of(ctx, own_state_file)))
    text = _text(document, output is not None and output.suffix in _YAML_SUFFIXES)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise CommandError(
            f"{output} cannot be written ({error.strerror}); name another file"
        ) from None
    click.echo(f"{len(document['channels'])} channels in {output}")


def _deployment(settings: Settings) -> Deployment:
    return Deployment(
        version=version("mailsla"),
        kafka=settings.kafka.split(","),
        protocol="kafka" if settings.kafka_security == "PLAINTEXT" else "kafka-secure",
        partitions=settings.partitions,
        replicas=settings.replication,
        groups={"streams": STREAMS_GROUP, "sinks": SINKS_GROUP},
    )


def _text(document: dict[str, Any], as_yaml: bool) -> str:
    if not as_yaml:
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    text: str = yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100)
    return text


class _Plain(yaml.SafeDumper):
    """Writes what stands twice out twice: aliases are more than readers of AsyncAPI take."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
