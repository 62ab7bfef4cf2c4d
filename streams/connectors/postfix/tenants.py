"""Whose mail it is: mail domain → tenant.

Sent mail belongs to the tenant of the SASL user's domain, or of the sender's where the client
did not log in; received mail to the tenant of the recipient's domain. Mail of a domain that
is not in the map is no customer's and makes no event.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from schemas.yaml_text import load_yaml

_TENANT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}$")
_CACHE_LIMIT: Final = 65_536


class TenantMapError(ValueError):
    """A map that cannot be used; the message names the entry and the remedy."""


class TenantMap:
    """Domain → tenant id. `*.example.com` (or `.example.com`) covers every subdomain.

    Domains compare without case, and a domain written in Unicode equals its ASCII form.
    Raises TenantMapError for a tenant id outside `[A-Za-z0-9._-]{1,64}` or an empty domain.
    """

    def __init__(self, domains: Mapping[str, str]) -> None:
        self._exact: dict[str, str] = {}
        self._below: dict[str, str] = {}
        self._known: dict[str, str | None] = {}
        for domain, tenant in domains.items():
            if not _TENANT.match(tenant):
                raise TenantMapError(
                    f"The tenant {tenant!r} of the domain {domain!r} is not a tenant id; "
                    "use 1-64 letters, digits, dots, hyphens or underscores."
                )
            name = domain.strip().lower().removeprefix("*")
            bare = _ascii_form(name.removeprefix("."))
            if not bare:
                raise TenantMapError(f"The tenant {tenant!r} has an empty domain; name one.")
            (self._below if name.startswith(".") else self._exact)[bare] = tenant

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
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain


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
        parsed = json.loads(text) if is_json else next(load_yaml(text), None)
    except (json.JSONDecodeError, yaml.YAMLError, RecursionError) as error:
        raise TenantMapError(f"{path} cannot be read ({error}); correct its syntax.") from error
    return TenantMap(_read_mapping(parsed, path))


def _read_csv(text: str, path: Path) -> dict[str, str]:
    domains: dict[str, str] = {}
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#") or cells == ["domain", "tenant"]:
            continue
        if len(cells) != 2:
            raise TenantMapError(
                f"{path} line {number} has {len(cells)} columns; write domain,tenant."
            )
        domains[cells[0]] = cells[1]
    return domains


def _read_mapping(parsed: Any, path: Path) -> dict[str, str]:
    if not isinstance(parsed, Mapping):
        raise TenantMapError(f"{path} is not a mapping; write one `domain: tenant` per line.")
    domains: dict[str, str] = {}
    for key, value in parsed.items():
        if isinstance(value, list):
            domains.update({str(domain): str(key) for domain in value})
        elif isinstance(value, str | int):
            domains[str(key)] = str(value)
        else:
            raise TenantMapError(
                f"{path} maps {key!r} to {type(value).__name__}; write a tenant id, "
                "or a list of domains under a tenant id."
            )
    return domains
