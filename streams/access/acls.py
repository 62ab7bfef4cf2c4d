"""The least each component needs of Kafka, as ACLs.

A component is a principal: the user of its SASL login, or what the broker makes of the subject of
its certificate. Printed as commands for Kafka's own tool by `mailsla topics --print-acls`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from mailsla.schemas.topics import (
    BREACHES,
    CALENDARS,
    CLOSINGS,
    CONTRACTS,
    EVENT_TOPICS,
    INTERNAL_TOPICS,
    LANDED_TOPICS,
    OPS,
    RAW_MAILLOG,
    RESULT_TOPICS,
)
from mailsla.streams.runtime.kafka.groups import SINKS_GROUP, STREAMS_GROUP

Resource = Literal["topic", "group", "transactional-id", "cluster"]
Pattern = Literal["literal", "prefixed"]

_CLUSTER: Final = "kafka-cluster"
_EVENTS: Final = tuple(topic.name for topic in EVENT_TOPICS)
_INTERNAL: Final = tuple(topic.name for topic in INTERNAL_TOPICS)
_RESULTS: Final = tuple(topic.name for topic in RESULT_TOPICS)
_LANDED: Final = tuple(topic.name for topic in LANDED_TOPICS)
_EVERYTHING: Final = ("mail.", "raw.", "sla.", "mailsla.")


@dataclass(frozen=True)
class Acl:
    """An allowance: ``principal`` may do ``operations`` on a resource."""

    principal: str
    operations: tuple[str, ...]
    resource: Resource
    name: str
    pattern: Pattern = "literal"


@dataclass(frozen=True)
class Component:
    """A program that connects to Kafka, and its allowances."""

    name: str
    purpose: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    reads_under: tuple[str, ...] = ()
    """Prefixes of topics it reads; how far behind somebody is shows only who may read."""
    group: str | None = None
    group_pattern: Pattern = "literal"
    watches: tuple[str, ...] = ()
    """Groups whose progress it looks at."""
    transactional: bool = False
    administers: bool = False

    def acls(self) -> Iterator[Acl]:
        """The allowances one by one."""
        for topic in sorted({*self.reads, *self.writes}):
            operations = (
                *(("READ",) if topic in self.reads else ()),
                *(("WRITE",) if topic in self.writes else ()),
                "DESCRIBE",
            )
            yield Acl(self.name, operations, "topic", topic)
        for prefix in self.reads_under:
            yield Acl(self.name, ("READ", "DESCRIBE"), "topic", prefix, "prefixed")
        if self.group is not None:
            yield Acl(self.name, ("READ",), "group", self.group, self.group_pattern)
        for group in self.watches:
            yield Acl(self.name, ("DESCRIBE",), "group", group)
        if self.transactional:
            # Transactional ids begin with the group's name, or are asked about by `probe`.
            yield Acl(self.name, ("WRITE", "DESCRIBE"), "transactional-id", "mailsla-", "prefixed")
        if self.administers:
            for prefix in _EVERYTHING:
                operations = ("CREATE", "ALTER_CONFIGS", "DESCRIBE_CONFIGS", "DESCRIBE")
                yield Acl(self.name, operations, "topic", prefix, "prefixed")
            yield Acl(self.name, ("DESCRIBE",), "cluster", _CLUSTER)


COMPONENTS: Final = (
    Component("mailsla-admin", "mailsla topics, once", administers=True),
    Component(
        "mailsla-producer", "whoever publishes events: ship, probes, other systems",
        writes=(*_EVENTS, RAW_MAILLOG.name),
    ),
    Component(
        "mailsla-operator", "people at a terminal: contract, calendar, exclude, incident, drain",
        writes=(OPS.name, CONTRACTS.name, CALENDARS.name),
        reads_under=_EVERYTHING,
        watches=(STREAMS_GROUP, SINKS_GROUP),
    ),
    Component(
        "mailsla-streams", "mailsla worker streams",
        reads=(*_EVENTS, CONTRACTS.name, CALENDARS.name, RAW_MAILLOG.name, *_INTERNAL),
        # Events under a wrong key are published once more under the right one.
        writes=(
            *_EVENTS, CONTRACTS.name, RAW_MAILLOG.name, *_INTERNAL,
            *(name for name in _RESULTS if name != CLOSINGS.name),
        ),
        group=STREAMS_GROUP,
        transactional=True,
    ),
    Component("mailsla-sinks", "mailsla worker sinks", reads=_LANDED, group=SINKS_GROUP,
              transactional=True),
    Component(
        "mailsla-closer", "mailsla close, mailsla worker closer", writes=(CLOSINGS.name,),
        # It waits for what is still to land.
        reads=(*_EVENTS, CONTRACTS.name, CALENDARS.name, RAW_MAILLOG.name),
        watches=(STREAMS_GROUP, SINKS_GROUP),
    ),
    Component(
        "mailsla-web", "mailsla worker web",
        reads_under=_EVERYTHING, watches=(STREAMS_GROUP, SINKS_GROUP),
    ),
    Component("mailsla-notify", "mailsla worker notify", reads=(BREACHES.name, CLOSINGS.name),
              group="mailsla-notify-", group_pattern="prefixed"),
    Component("mailsla-subscriber", "whoever reads the results", reads=_RESULTS,
              group="mailsla-subscriber-", group_pattern="prefixed"),
)  # fmt: skip


def acls_script() -> str:
    """Commands for ``kafka-acls.sh``, one component after the other."""
    lines = [
        "#!/bin/sh",
        "# Who may do what in Kafka. Made by `mailsla topics --print-acls`. For an administrator:",
        "#   BOOTSTRAP=kafka:9094 COMMAND_CONFIG=admin.properties sh acls.sh",
        "set -eu",
        "add() {",
        '  kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$COMMAND_CONFIG" \\',
        '    --add "$@"',
        "}",
    ]
    for component in COMPONENTS:
        lines += ["", f"# {component.name}: {component.purpose}"]
        lines += [_command(acl) for acl in component.acls()]
    return "\n".join(lines) + "\n"


def _command(acl: Acl) -> str:
    operations = " ".join(f"--operation {name.replace('_', '')}" for name in acl.operations)
    resource = "--cluster" if acl.resource == "cluster" else f"--{acl.resource} {acl.name}"
    pattern = " --resource-pattern-type prefixed" if acl.pattern == "prefixed" else ""
    return f"add --allow-principal User:{acl.principal} {operations} {resource}{pattern}"
