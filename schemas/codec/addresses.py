"""Addresses of people as they are kept where a key is set: hashed; only equality is left."""

from hashlib import blake2b
from typing import Final

from pydantic import SecretStr

FIELDS: Final = ("recipient", "mailbox", "account", "reporter")
"""Fields of events that hold the address of a person."""
HASHED: Final = "addr:"
"""How a hashed one begins."""
_SIZE: Final = 16


class AddressKey:
    """Hashes addresses with a secret: without it nobody can try out whether one is a person's."""

    def __init__(self, secret: str) -> None:
        self._key = blake2b(secret.encode(), digest_size=32).digest()

    @classmethod
    def of(cls, secret: SecretStr | None) -> "AddressKey | None":
        """That of a setting; None where none is set."""
        return None if secret is None else cls(secret.get_secret_value())

    def hashed(self, address: str) -> str:
        """The address as it is kept; equal ones are kept alike, and a kept one stays as it is."""
        if address.startswith(HASHED):
            return address
        return HASHED + blake2b(address.encode(), key=self._key, digest_size=_SIZE).hexdigest()

    def part(self, purpose: str) -> tuple[int, int]:
        """A key for one purpose, as two numbers of 64 bits; tells nothing of this one."""
        made = blake2b(purpose.encode(), key=self._key, digest_size=_SIZE).digest()
        return int.from_bytes(made[:8], "big"), int.from_bytes(made[8:], "big")
