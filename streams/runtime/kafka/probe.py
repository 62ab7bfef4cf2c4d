"""Says in a sentence why no connection to Kafka comes about.

The client libraries try for half a minute and then name a class of errors. So before they are
asked, every configured address is tried once by hand: name, port, TLS, one request, login.
"""

import asyncio
import socket
import ssl
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from mailsla.streams.runtime.kafka.client_options import client_options, is_encrypted, tls_context
from mailsla.streams.settings import ConfigurationError, Settings

_PATIENCE_S: Final = 4.0
# Length, ApiVersions (18) version 0, correlation id 1, no client id.
_ASK: Final = struct.pack(">ihhih", 10, 18, 0, 1, -1)
_ANSWER_HEAD: Final = struct.Struct(">ii")
_LONGEST_ANSWER: Final = 1 << 20
_TLS_RECORDS: Final = frozenset({0x15, 0x16})
_EXPIRED = 10
_WRONG_HOST: Final = frozenset({62, 64})  # a name, an address
_LOGIN_S: Final = 8.0


@dataclass(frozen=True)
class Trouble:
    """Why an address cannot be used; ``passing`` if it may mend itself, as an absent broker."""

    sentence: str
    passing: bool = False


def probe(settings: Settings) -> Trouble | None:
    """Try each address until one answers, then the login; the trouble of the last one otherwise.

    What will not pass by itself is told rather than that another broker is absent. Takes at most
    a few seconds for each address, usually some milliseconds.

    Raises:
        ConfigurationError: an address is malformed, or the files of certificates are wrong.
    """
    context = tls_context(settings) if is_encrypted(settings) else None
    found: Trouble | None = None
    for address in settings.kafka.split(","):
        trouble = _try(address.strip(), context)
        if trouble is None:
            return _try_login(settings, address.strip())
        if found is None or found.passing:
            found = trouble
    return found


def late_trouble(settings: Settings) -> str:
    """Why a broker that `probe` found well refuses a client all the same."""
    if not settings.kafka_security.startswith("SASL"):
        wanted = "SASL_SSL" if is_encrypted(settings) else "SASL_SSL or SASL_PLAINTEXT"
        return (
            f"Kafka at {settings.kafka} answers, then breaks off: it may want a login; set "
            f"MAILSLA_KAFKA_SECURITY to {wanted}, and MAILSLA_KAFKA_USER and MAILSLA_KAFKA_PASSWORD"
        )
    # A refused token comes as an answer that the probe takes for a good one.
    return _refused(settings)


def _try_login(settings: Settings, address: str) -> Trouble | None:
    if not settings.kafka_security.startswith("SASL"):
        return None
    try:
        # In a thread of its own: a loop may be running in this one.
        with ThreadPoolExecutor(max_workers=1) as apart:
            apart.submit(asyncio.run, _log_in(settings, address)).result()
    except IllegalSaslStateError:
        return Trouble(
            f"Kafka at {address} wants no login at this listener; set "
            f"MAILSLA_KAFKA_SECURITY to {settings.kafka_security.removeprefix('SASL_')}"
        )
    except UnsupportedSaslMechanismError:
        return Trouble(
            f"Kafka at {address} has no {settings.kafka_sasl_mechanism}; set "
            "MAILSLA_KAFKA_SASL_MECHANISM to one the broker has"
        )
    except (AuthenticationFailedError, SaslAuthenticationFailed):
        return Trouble(_refused(settings))
    except (KafkaError, OSError, TimeoutError, ValueError) as error:
        sentence = f"Kafka at {address} does not finish the login ({type(error).__name__})"
        return Trouble(f"{sentence}; see the broker's log", passing=True)
    return None


def _refused(settings: Settings) -> str:
    if settings.kafka_sasl_mechanism == "OAUTHBEARER":
        remedy = "renew the token in MAILSLA_KAFKA_TOKEN_FILE"
    else:
        remedy = "check MAILSLA_KAFKA_USER and MAILSLA_KAFKA_PASSWORD"
    return f"Kafka at {settings.kafka} refuses the login; {remedy}"


async def _log_in(settings: Settings, address: str) -> None:
    options = client_options(settings)
    del options["bootstrap_servers"]
    host, _, port = address.rpartition(":")
    connecting = create_conn(host.strip("[]"), int(port), **options)
    connection = await asyncio.wait_for(connecting, _LOGIN_S)
    connection.close()


def _try(address: str, context: ssl.SSLContext | None) -> Trouble | None:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ConfigurationError("MAILSLA_KAFKA: write host:port[,host:port]")
    try:
        plain = socket.create_connection((host, int(port)), _PATIENCE_S)
    except socket.gaierror:
        return Trouble(f"the name {host} of MAILSLA_KAFKA is not known; check it", passing=True)
    except OSError:
        sentence = f"no Kafka broker answers at {address}"
        remedy = "start one with: mailsla up, or set MAILSLA_KAFKA"
        return Trouble(f"{sentence}; {remedy}", passing=True)
    with plain:
        plain.settimeout(_PATIENCE_S)
        if context is None:
            return _ask(plain, address, encrypted=False)
        try:
            with context.wrap_socket(plain, server_hostname=host) as secured:
                return _ask(secured, address, encrypted=True)
        except ssl.SSLCertVerificationError as error:
            return Trouble(_about_certificate(error, address))
        except ssl.SSLError as error:
            return Trouble(_about_handshake(error, address))
        except OSError:
            return Trouble(f"{address} does not finish a TLS handshake; is its listener encrypted?")


def _ask(connection: socket.socket, address: str, encrypted: bool) -> Trouble | None:
    try:
        connection.sendall(_ASK)
        head = connection.recv(_ANSWER_HEAD.size)
    except ssl.SSLError as error:
        return Trouble(_about_handshake(error, address))
    except OSError:
        head = b""
    if head[:1] and head[0] in _TLS_RECORDS and not encrypted:
        return Trouble(
            f"Kafka at {address} speaks TLS; set MAILSLA_KAFKA_SECURITY to SSL or SASL_SSL"
        )
    if len(head) == _ANSWER_HEAD.size:
        length, correlation = _ANSWER_HEAD.unpack(head)
        if correlation == 1 and 0 < length < _LONGEST_ANSWER:
            return None
        return Trouble(f"what listens at {address} is no Kafka broker; check MAILSLA_KAFKA")
    if encrypted:
        return Trouble(f"Kafka at {address} gives no answer over TLS; see the broker's log", True)
    return Trouble(
        f"Kafka at {address} gives no answer; if its listener is encrypted, set "
        "MAILSLA_KAFKA_SECURITY to SSL or SASL_SSL",
        passing=True,
    )


def _about_certificate(error: ssl.SSLCertVerificationError, address: str) -> str:
    if error.verify_code == _EXPIRED:
        return f"the certificate of Kafka at {address} has expired; renew it on the broker"
    if error.verify_code in _WRONG_HOST:
        return (
            f"the certificate of Kafka at {address} is for another host name; use the name in the "
            "certificate in MAILSLA_KAFKA, or have one issued for this name"
        )
    return (
        f"the certificate of Kafka at {address} is signed by nobody trusted here "
        f"({error.verify_message}); set MAILSLA_KAFKA_CA_FILE to the authority's PEM file"
    )


def _about_handshake(error: ssl.SSLError, address: str) -> str:
    reason = error.reason or ""
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
        return (
            f"Kafka at {address} refuses this program's certificate ({reason}); set "
            "MAILSLA_KAFKA_CERT_FILE and MAILSLA_KAFKA_KEY_FILE to ones the broker trusts"
        )
    if reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_EOF_WHILE_READING"}:
        return (
            f"what listens at {address} does not speak TLS; use the broker's encrypted listener "
            "(MAILSLA_KAFKA_SECURITY asks for encryption)"
        )
    return f"no TLS connection to Kafka at {address} ({reason or 'SSLError'})"
