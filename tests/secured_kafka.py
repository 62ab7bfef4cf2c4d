"""Apache Kafka with authority, certificates, logins and ACLs of its own, for the tests.

Three listeners on loopback: ``tls`` (client certificates), ``sasl`` (SCRAM-SHA-512, PLAIN,
OAUTHBEARER over TLS) and ``wrong`` (TLS under a certificate for another host name), ``expired``.
Principals are the common name of a certificate or the user of a login.
"""

import base64
import json
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from mailsla.sinks.embedded.brokers.apache_kafka import ONE_NODE, find_java, format_storage
from mailsla.sinks.embedded.brokers.kafka_jars import kafka_jars
from mailsla.sinks.embedded.children import Child, Running
from mailsla.sinks.embedded.ports import LOOPBACK, accepts, resolve_port
from mailsla.streams.runtime.kafka.probe import probe
from mailsla.streams.settings import Settings
from tests.stack import needs_kafka, wait_for

PASSWORD = "canary-kafka-password"
ADMIN = "admin"
_LISTENERS = ("tls", "sasl", "wrong", "expired")
_COMMON = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=CONTROLLER://127.0.0.1:{controller},{listeners}
advertised.listeners={listeners}
controller.listener.names=CONTROLLER
inter.broker.listener.name=TLS
listener.security.protocol.map=CONTROLLER:PLAINTEXT,TLS:SSL,SASL:SASL_SSL,WRONG:SSL,EXPIRED:SSL
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
# Nobody is anonymous but the node to its own controller.
super.users=User:broker;User:admin;User:ANONYMOUS
ssl.principal.mapping.rules=RULE:^.*CN=([^,]+).*$/$1/,DEFAULT
ssl.keystore.type=PEM
ssl.truststore.type=PEM
ssl.truststore.location={authority}
ssl.keystore.location={broker}
listener.name.tls.ssl.client.auth=required
listener.name.wrong.ssl.client.auth=required
listener.name.expired.ssl.client.auth=required
listener.name.wrong.ssl.keystore.location={wrong}
listener.name.expired.ssl.keystore.location={expired}
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN,OAUTHBEARER
listener.name.sasl.scram-sha-512.sasl.jaas.config={scram} required;
listener.name.sasl.plain.sasl.jaas.config={plain} required user_{user}="{password}";
listener.name.sasl.oauthbearer.sasl.jaas.config={oauth} required unsecuredLoginStringClaim_sub="x";
log.dirs={logs}
"""
_MODULES = "org.apache.kafka.common.security"


class SecuredKafka:
    """The running broker; `settings` says how to reach a listener as somebody."""

    def __init__(self, home, users):
        self.home, self._users = home, tuple(users)
        self.authority = trustme.CA()
        self.other_authority = trustme.CA()
        self.ports = {name: resolve_port(0, name) for name in _LISTENERS}
        self._running = None

    def file(self, name):
        return self.home / name

    def _write_certificates(self):
        self.authority.cert_pem.write_to_path(self.file("ca.pem"))
        self.other_authority.cert_pem.write_to_path(self.file("other-ca.pem"))
        yesterday = datetime.now(UTC) - timedelta(days=1)
        hosts = (LOOPBACK, "localhost")
        made = {
            "broker": self.authority.issue_cert(*hosts, common_name="broker"),
            "wrong": self.authority.issue_cert("kafka.example.net", common_name="broker"),
            "expired": self.authority.issue_cert(*hosts, common_name="broker", not_after=yesterday),
            "stranger": self.other_authority.issue_cert("stranger", common_name=ADMIN),
            **{
                user: self.authority.issue_cert(user, common_name=user)
                for user in (ADMIN, *self._users)
            },
        }
        for name, certificate in made.items():
            self.file(f"{name}.pem").write_bytes(_in_pkcs8(certificate))

    def _write_settings(self):
        listeners = ",".join(f"{n.upper()}://{LOOPBACK}:{port}" for n, port in self.ports.items())
        text = ONE_NODE + _COMMON.format(
            controller=resolve_port(0, "controller"),
            listeners=listeners,
            authority=self.file("ca.pem"),
            broker=self.file("broker.pem"),
            wrong=self.file("wrong.pem"),
            expired=self.file("expired.pem"),
            scram=f"{_MODULES}.scram.ScramLoginModule",
            plain=f"{_MODULES}.plain.PlainLoginModule",
            oauth=f"{_MODULES}.oauthbearer.OAuthBearerLoginModule",
            user=ADMIN,
            password=PASSWORD,
            logs=self.home / "log",
        )
        self.file("server.properties").write_text(text)

    def start(self):
        self._write_certificates()
        self._write_settings()
        java = [find_java(), "-Xmx384m", "-XX:+UseSerialGC", "-cp", f"{kafka_jars()}/*"]
        scram = [
            word
            for user in (ADMIN, *self._users)
            for word in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={PASSWORD}]")
        ]
        properties = self.file("server.properties")
        format_storage(java, properties, *scram)
        child = Child("kafka", [*java, "kafka.Kafka", str(properties)])
        self._running = Running(child, self.home / "logs")
        wait_for(self._is_ready, 90, "the broker")
        return self

    def _is_ready(self):
        assert not self._running.has_ended(), self._running.last_lines(9)
        return accepts(self.ports["sasl"]) and probe(self.settings()) is None

    def stop(self):
        if self._running is not None:
            self._running.stop()

    def settings(self, listener="tls", user=ADMIN, **changes):
        """How ``user`` reaches a listener."""
        own = {
            "kafka": f"{LOOPBACK}:{self.ports[listener]}",
            "kafka_security": "SASL_SSL" if listener == "sasl" else "SSL",
            "kafka_ca_file": self.file("ca.pem"),
        }
        if listener == "sasl":
            own |= {"kafka_user": user, "kafka_password": SecretStr(PASSWORD)}
        else:
            own |= {"kafka_cert_file": self.file(f"{user}.pem")}
        return Settings(**{"session_timeout_s": 6.0, **own, **changes})

    def token(self, user=ADMIN):
        """A file with an unsigned OAUTHBEARER token of that user."""
        now = int(time.time())
        parts = ({"alg": "none"}, {"sub": user, "iat": now, "exp": now + 3600})
        text = ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
            for part in parts
        )
        path = self.file(f"{user}.token")
        path.write_text(f"{text}.\n")
        return path


def _in_pkcs8(certificate):
    """Key and chain as Java reads them."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return written + b"".join(blob.bytes() for blob in certificate.cert_chain_pems)


@contextmanager
def secured_kafka(home, users=()):
    """The broker, gone on exit; ``users`` exist besides the administrator."""
    needs_kafka()
    Path(home).mkdir(parents=True, exist_ok=True)
    broker = SecuredKafka(Path(home), users)
    try:
        yield broker.start()
    finally:
        broker.stop()
