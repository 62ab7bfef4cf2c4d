"""Connection options of every Kafka client of the project: one place decides what is encrypted."""

import ssl
from collections.abc import Generator
from typing import Any

from aiokafka.abc import AbstractTokenProvider as AsyncTokenProvider
from kafka.net.sasl.oauth import AbstractTokenProvider

from mailsla.streams.settings import ConfigurationError, Settings


def client_options(settings: Settings) -> dict[str, Any]:
    """Options common to aiokafka's and kafka-python's clients.

    Raises:
        ConfigurationError: a file of certificates, a key or a token cannot be used.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka.split(","),
        "security_protocol": settings.kafka_security,
        "client_id": "mailsla",
    }
    if is_encrypted(settings):
        options["ssl_context"] = tls_context(settings)
    if settings.kafka_security.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        if settings.kafka_sasl_mechanism == "OAUTHBEARER":
            options["sasl_oauth_token_provider"] = FileToken(settings)
        else:
            options["sasl_plain_username"], options["sasl_plain_password"] = login(settings)
    return options


def is_encrypted(settings: Settings) -> bool:
    """Whether the connection is TLS."""
    return settings.kafka_security.endswith("SSL")


def login(settings: Settings) -> tuple[str, str]:
    """User and password for SASL.

    Raises:
        ConfigurationError: one of them is missing.
    """
    password = settings.kafka_password
    if not settings.kafka_user or password is None:
        raise ConfigurationError(
            f"{settings.kafka_security} with {settings.kafka_sasl_mechanism} needs a login; "
            "set MAILSLA_KAFKA_USER and MAILSLA_KAFKA_PASSWORD"
        )
    return settings.kafka_user, password.get_secret_value()


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Trusts the configured authorities alone, checks host names, shows our certificate if any.

    Raises:
        ConfigurationError: a file cannot be read or holds something else.
    """
    ca, certificate, key = (
        settings.kafka_ca_file,
        settings.kafka_cert_file,
        settings.kafka_key_file,
    )
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"MAILSLA_KAFKA_CA_FILE: {ca} holds no certificate that can be read "
            f"({error.strerror or error}); name a PEM file"
        ) from None
    if certificate is not None:
        password = settings.kafka_key_password
        # Without a callback OpenSSL would ask at the terminal.
        secret = password.get_secret_value() if password else ""
        try:
            context.load_cert_chain(certificate, key, password=lambda: secret)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"MAILSLA_KAFKA_CERT_FILE, _KEY_FILE or _KEY_PASSWORD: {certificate} cannot be "
                f"used ({error.strerror or error}); name PEM files that belong together"
            ) from None
    return context


class FileToken(AsyncTokenProvider, AbstractTokenProvider):  # type: ignore[misc]
    """OAUTHBEARER tokens out of a file that somebody else keeps fresh.

    Read at every connection. Both client libraries want a provider of their own class; one of them
    awaits what the other takes as it is.
    """

    def __init__(self, settings: Settings) -> None:
        self._path = settings.kafka_token_file
        self._read()

    def token(self) -> "_Token":
        """The token as it stands in the file now."""
        return _Token(self._read())

    def extensions(self) -> dict[str, str]:
        """None."""
        return {}

    def _read(self) -> str:
        if self._path is None:
            raise ConfigurationError(
                "OAUTHBEARER needs a token; set MAILSLA_KAFKA_TOKEN_FILE to a file that holds one"
            )
        try:
            token = self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            token = ""
        if not token:
            raise ConfigurationError(
                f"MAILSLA_KAFKA_TOKEN_FILE: {self._path} holds no token that can be read"
            )
        return token


class _Token(str):
    """A text that may be awaited."""

    def __await__(self) -> Generator[Any, None, "_Token"]:
        async def itself() -> _Token:
            return self

        return itself().__await__()
