"""Apache Kafka's published artifacts, resolved once by Maven into the user's cache directory.

Trap: ``kafka_2.13`` carries no SLF4J binding, so a broker started from it alone logs nothing;
``log4j-slf4j-impl`` is added.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailsla.sinks.embedded.errors import StackError
from mailsla.sinks.embedded.leash import leashed

KAFKA_VERSION = "4.4.0"
_LOG4J_VERSION = "2.25.5"
_INSTALL_WITHIN_S = 300.0
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>mailsla</groupId><artifactId>kafka-jars</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
      <version>{_LOG4J_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


def cache_directory() -> Path:
    """Where the jars of this version live: ``$XDG_CACHE_HOME/mailsla/kafka-<version>``."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "mailsla" / f"kafka-{KAFKA_VERSION}"


def kafka_jars() -> Path:
    """The directory of the jars, filled on first use (about 45 MB, some seconds).

    Safe to call from several processes at once. Raises `StackError` when Maven is missing or
    could not resolve the artifacts.
    """
    target = cache_directory()
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _install_lock(target.parent / f"{target.name}.lock"):
        if not target.is_dir():
            _install(target)
    return target


@contextmanager
def _install_lock(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _install(target: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise StackError(
            "Apache Kafka's files are not cached yet and Maven is missing; install Maven (`mvn`), "
            "or use the embedded broker (`--broker tansu`)."
        )
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="kafka-install-") as scratch:
        pom, jars = Path(scratch) / "pom.xml", Path(scratch) / "jars"
        pom.write_text(_POM, encoding="utf-8")
        _resolve(maven, pom, jars)
        # A rename puts the whole set in place at once: a killed install leaves no half of one.
        jars.rename(target)


def _resolve(maven: str, pom: Path, jars: Path) -> None:
    command = [
        *(maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"),
        *("-DincludeScope=runtime", f"-DoutputDirectory={jars}"),
    ]
    try:
        outcome = subprocess.run(
            leashed(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_INSTALL_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StackError(
            f"Maven did not fetch Apache Kafka {KAFKA_VERSION} within {_INSTALL_WITHIN_S:.0f} s; "
            "check the network and try again, or use `--broker tansu`."
        ) from None
    if outcome.returncode != 0 or not list(jars.glob("kafka_2.13-*.jar")):
        reason = next((line for line in outcome.stdout.splitlines() if "ERROR" in line), "")
        raise StackError(
            f"Maven could not fetch Apache Kafka {KAFKA_VERSION} ({reason.strip()[:300]}); "
            "check the network and its settings, or use `--broker tansu`."
        )
