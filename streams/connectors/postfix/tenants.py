"""Whose mail it is: mail domain → tenant.

Sent mail belongs to the tenant of the SASL user's domain, or of the sender's where the client
did not log in; received mail to the tenant of the recipient's domain. Mail of a domain that
is not in the map is no customer's and makes no event.

Names compare as IDNA 2008 with UTS 46 has them: `straße.example` is `xn--strae-oqa.example`,
which is registered apart from `strasse.example`.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import idna
import yaml

from mailsla.schemas.codec.yaml_text import load_yaml

_TENANT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}$")
_CACHE_LIMIT: Final = 65_536


class TenantMapError(ValueError):
    """A map that cannot be used; the message names the entry and the remedy."""


class TenantMap:
    """Domain → tenant id. `*.example.com` (or `.example.com`) covers every subdomain.

    Domains compare without case, and a domain written in Unicode equals its ASCII form.
    Raises TenantMapError for a tenant id outside `[A-Za-z0-9._-]{1,64}`, an empty domain, or
    two entries of different tenants that name the same domain.
    """

    def __init__(self, domains: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        self._exact: dict[str, str] = {}
        self._below: dict[str, str] = {}
        self._known: dict[str, str | None] = {}
        written: dict[str, str] = {}
        for domain, tenant in domains.items() if isinstance(domains, Mapping) else domains:
            if not _TENANT.match(tenant):
                raise TenantMapError(
                    f"The tenant {tenant!r} of the domain {domain!r} is not a tenant id; "
                    "use 1-64 letters, digits, dots, hyphens or underscores."
                )
            name = domain.strip().lower().removeprefix("*")
            bare = _ascii_form(name.removeprefix("."))
            if not bare:
                raise TenantMapError(f"The tenant {tenant!r} has an empty domain; name one.")
            names = self._below if name.startswith(".") else self._exact
            key = ("*." if names is self._below else "") + bare
            if names.setdefault(bare, tenant) != tenant:
                raise TenantMapError(
                    f"The domains {written[key]!r} and {domain!r} are the same name ({key}) and "
                    f"belong to {names[bare]!r} and {tenant!r}; keep one of them."
                )
            written.setdefault(key, domain)

    def of_domain(self, domain: str) -> str | None:
        """The tenant of a domain, or None."""
        if domain in self._known:
            return self._known[domain]
        if len(self._known) >= _CACHE_LIMIT:
            self._known.clear()
        tenant = self._known[domain] = self._search(_ascii_form(domain.lower().rstrip(".")))
        return tenant

    def of_address(self, address: str | None) -> str | None:
        """The tenant of a mail address, or None for none and for one without a domain."""
        if not address:
            return None
        _, at, domain = address.rpartition("@")
        return self.of_domain(domain) if at else None

    def _search(self, domain: str) -> str | None:
        exact = self._exact.get(domain)
        if exact is not None:
            return exact
        parent = domain.partition(".")[2]
        while parent:
            tenant = self._below.get(parent)
            if tenant is not None:
                return tenant
            parent = parent.partition(".")[2]
        return None


def _ascii_form(domain: str) -> str:
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True, std3_rules=False).decode("ascii").rstrip(".")
    except idna.IDNAError:
        return domain  # no name that could be registered: equal to itself only


def load_tenant_map(path: Path) -> TenantMap:
    """Read a map from YAML, JSON (`domain: tenant`, or `tenant: [domains]`) or CSV.

    A CSV row is `domain,tenant`; a header row of exactly these names is skipped, and so are
    empty rows and rows that open with `#`. Raises TenantMapError, OSError.
    """
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() == ".csv":
        return TenantMap(_read_csv(text, path))
    try:
        is_json = path.suffix.lower() == ".json"
        parsed = (
            json.loads(text, object_pairs_hook=_Pairs)
            if is_json
            else _as_pairs(next(load_yaml(text), None))
        )
    except (json.JSONDecodeError, yaml.YAMLError, RecursionError) as error:
        raise TenantMapError(f"{path} cannot be read ({error}); correct its syntax.") from error
    return TenantMap(_read_mapping(parsed, path))


class _Pairs(list[tuple[Any, Any]]):
    """A mapping as written, so that a name that stands there twice is seen."""


def _as_pairs(parsed: Any) -> Any:
    """What was read of YAML, whose names stand once, in the form JSON is read in."""
    if isinstance(parsed, Mapping):
        return _Pairs((key, _as_pairs(value)) for key, value in parsed.items())
    return parsed


def _read_csv(text: str, path: Path) -> list[tuple[str, str]]:
    domains: list[tuple[str, str]] = []
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#") or cells == ["domain", "tenant"]:
            continue
        if len(cells) != 2:
            raise TenantMapError(
                f"{path} line {number} has {len(cells)} columns; write domain,tenant."
            )
        domains.append((cells[0], cells[1]))
    return domains


def _read_mapping(parsed: Any, path: Path) -> list[tuple[str, str]]:
    if not isinstance(parsed, _Pairs):
        raise TenantMapError(f"{path} is not a mapping; write one `domain: tenant` per line.")
    domains: list[tuple[str, str]] = []
    for key, value in parsed:
        if isinstance(value, str | int):
            domains.append((str(key), str(value)))
        elif isinstance(value, list) and not isinstance(value, _Pairs):
            domains += [(str(domain), str(key)) for domain in value]
        else:
            given = "mapping" if isinstance(value, _Pairs) else type(value).__name__
            raise TenantMapError(
                f"{path} maps {key!r} to a {given}; write a tenant id, "
                "or a list of domains under a tenant id."
            )
    return domains
