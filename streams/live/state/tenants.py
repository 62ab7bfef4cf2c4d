"""What a task knows of its tenants: their facts, contracts and messages."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from mailsla.schemas.codec.identifiers import PLATFORM
from mailsla.schemas.contract import DEFAULT_TIMEZONE, Contract, default_contract
from mailsla.schemas.facts.fact import Fact
from mailsla.streams.clauses.facts.base import FirstHeard
from mailsla.streams.clauses.model.contracts import Force, governed_since, in_force, month_at
from mailsla.streams.clauses.model.exclusions import Exclusions
from mailsla.streams.clauses.registry import Context, Scope
from mailsla.streams.latency.messages import Rows
from mailsla.streams.latency.row_index import Int64s
from mailsla.streams.live.state.excluded_spans import (
    ExcludedSpans,
    ExclusionReading,
    reads_alike,
    reads_apart,
)
from mailsla.streams.live.state.landed import LandedEvents
from mailsla.streams.live.state.latency import Latency
from mailsla.streams.live.state.latency_months import COUNTED
from mailsla.streams.live.state.platform import Platform
from mailsla.streams.live.state.strangers import MOST_STRANGERS, Strangers
from mailsla.streams.time.calendar import Month, midnight
from mailsla.streams.time.intervals import BEFORE_ALL, FOREVER

_DEFAULT_CONTRACT: Final = default_contract("-")
_DEFAULT_ZONE: Final = ZoneInfo(DEFAULT_TIMEZONE)


class Tenants:
    """The tenants of a task, numbered in the order in which they came up."""

    def __init__(
        self,
        platform: Platform,
        lateness_us: int,
        silence_us: int,
        most_strangers: int = MOST_STRANGERS,
        most_a_day: int = 0,
    ) -> None:
        self.platform = platform
        self.strangers = Strangers(most_strangers)
        self.names: list[str] = []
        self.excluded = ExcludedSpans()
        self.landed = LandedEvents(self.code, most_a_day)
        self.latency = Latency(
            self.versions_of,
            self.alike,
            self.names.__getitem__,
            self.excluded,
            lateness_us,
            silence_us,
        )
        self._codes: dict[str, int] = {}
        self._scopes: dict[int, Scope] = {}
        self._no_facts = Scope("-")
        """Stands for every tenant of which nothing but mail was ever heard."""
        self._contracts: dict[int, dict[int, Contract]] = {}
        self._forces: dict[str, list[Force]] = {}
        """When each version is in force; known of tenants that were asked for."""
        self._promises: dict[tuple[str, int], tuple[Contract, bytes]] = {}
        self._first_mail_us = np.full(64, FOREVER, dtype=np.int64)
        for voiding in platform.voidings():
            self.landed.void(voiding)

    def code(self, tenant: str) -> int:
        """The number of a tenant; a new tenant gets the next one."""
        known = self._codes.get(tenant)
        if known is None:
            known = self._codes[tenant] = len(self.names)
            self.names.append(tenant)
            if known == len(self._first_mail_us):
                more = np.full(known, FOREVER, dtype=np.int64)
                self._first_mail_us = np.append(self._first_mail_us, more)
        return known

    def numbers(self, tenants: Sequence[str]) -> list[int]:
        """The numbers of some tenants; see `code`."""
        try:
            return [self._codes[tenant] for tenant in tenants]
        except KeyError:
            return [self.code(tenant) for tenant in tenants]

    def has(self, tenant: str) -> bool:
        """Whether a tenant has come up."""
        return tenant in self._codes

    # Tenants that no contract names.

    def takes_mail(self, tenant: str) -> bool:
        """Whether mail of a tenant is taken, even if there is no room for one more."""
        code = self._codes.get(tenant, -1)
        return code in self._contracts or self.strangers.has_mail(code)

    def takes_facts(self, tenant: str) -> bool:
        """Whether facts of a tenant are taken."""
        code = self._codes.get(tenant, -1)
        return code in self._contracts or self.strangers.may_have_facts(code)

    # Facts of sections 1 and 3 to 9.

    def observe(self, fact: Fact) -> None:
        """Take a new fact of a tenant, if it counts; exclusions take effect with `exclude`."""
        scope = self._scope_of(self.code(fact.tenant_id))
        if self.landed.counts(fact):
            scope.observe(fact)
        else:
            self.landed.correct(fact)

    def _scope_of(self, code: int) -> Scope:
        if code not in self._scopes:
            self._scopes[code] = Scope(self.names[code])
            if code not in self._contracts:
                self.strangers.take_facts(code)
        return self._scopes[code]

    def corrected(self, tenant: str) -> set[str]:
        """The topics of which an event that concerns a tenant was voided."""
        return self.landed.corrected(self._codes[tenant]) | self.platform.corrected

    def takes_outages_back(self, tenant: str) -> bool:
        """Whether an outage that concerns a tenant was declared anew, or revoked."""
        own, platform = self.scope(tenant).ops, self.platform.scope.ops
        return own.outages.takes_back or platform.outages.takes_back

    def renew(self) -> Iterator[None]:
        """Bring facts up to date of which some no longer count, before anybody asks for them."""
        yield from self.landed.renew(self._take_anew)
        yield from self.platform.renew()

    def _take_anew(self, code: int, topic: str, facts: Iterable[Fact]) -> Iterator[None]:
        return self._scopes[code].renew(topic, facts)

    def scope(self, tenant: str) -> Scope:
        """The facts of a tenant."""
        if self.landed.outdated:
            deque(self.renew(), 0)
        return self._scopes.get(self._codes.get(tenant, -1), self._no_facts)

    def has_facts(self, tenant: str) -> bool:
        """Whether anything but mail was ever heard of a tenant."""
        return self._codes.get(tenant, -1) in self._scopes

    def exclude(self, tenant: str) -> None:
        """Follow the exclusions declared by a tenant's facts, or the platform's (``*``)."""
        if tenant != PLATFORM:
            self._exclude_own(self.code(tenant))
            return
        self.excluded.share(tuple(self.platform.scope.ops.exclusions.in_force()))
        for code in self._contracts:
            self._exclude_own(code)

    def _exclude_own(self, code: int) -> None:
        readings: list[tuple[int, Contract]] = []
        for since, governing in governed_since(self.versions_of(code)):
            contract = governing or _DEFAULT_CONTRACT
            since_us = BEFORE_ALL if since is None else midnight(since.first, contract.zone)
            if not readings or not reads_alike(readings[-1][1], contract):
                readings.append((since_us, contract))
        every = self._exclusions(code, any(reads_apart(one.profile) for _, one in readings))
        ends_us = [*(since_us for since_us, _ in readings[1:]), FOREVER]
        self.excluded.set(
            code,
            [
                ExclusionReading(
                    since_us, until_us, every.limited(one.profile, one.zone), one.profile
                )
                for (since_us, one), until_us in zip(readings, ends_us, strict=True)
            ],
            list(self._part_readings(code)),
        )

    def _part_readings(self, code: int) -> Iterator[ExclusionReading]:
        """The exclusions as parts of months read them that do not read them as the month does."""
        for month in sorted({Month.of(one.first) for one in in_force(self.versions_of(code))[1:]}):
            governed = self.latency.months.governed(code, month)
            for part in governed.parts(COUNTED):
                if not reads_alike(part.contract, governed.contract):
                    profile, period = part.contract.profile, part.period
                    every = self._exclusions(code, True).limited(profile, period.zone)
                    yield ExclusionReading(period.start_us, period.end_us, every, profile)

    def _exclusions(self, code: int, with_platform: bool) -> Exclusions:
        scopes = [self.scope(self.names[code]), *([self.platform.scope] if with_platform else [])]
        return Exclusions.of(scope.ops.exclusions for scope in scopes)

    # Contracts.

    def agree(self, contract: Contract) -> None:
        """Take a version of a tenant's contract; a version published again replaces itself."""
        code = self.code(contract.tenant_id)
        self._contracts.setdefault(code, {})[contract.version] = contract
        self.strangers.agree(code)
        self._forces.pop(contract.tenant_id, None)

    def versions_of(self, code: int) -> list[Contract]:
        """The versions of a tenant's contract, by its number."""
        return list(self._contracts.get(code, {}).values())

    def versions(self, tenant: str) -> list[Contract]:
        """The versions of a tenant's contract."""
        return self.versions_of(self._codes.get(tenant, -1))

    def contracts(self) -> list[Contract]:
        """Every version of every contract."""
        return [each for versions in self._contracts.values() for each in versions.values()]

    def promises(self, contract: Contract) -> bytes:
        """Everything of a contract that says how a tenant is judged: equal ones judge alike."""
        key = contract.tenant_id, contract.version
        known = self._promises.get(key)
        if known is None or known[0] is not contract:
            left_out = {"tenant_id", "name", "domains", "monthly_fee"}
            document = contract.model_dump_json(exclude=left_out).encode()
            known = self._promises[key] = contract, document
        return known[1]

    def alike(self, code: int) -> tuple[bytes, ...]:
        """What is equal for tenants who are judged alike: the promises of all their contracts."""
        versions = self._contracts.get(code)
        return () if versions is None else tuple(sorted(map(self.promises, versions.values())))

    def is_watched(self, tenant: str) -> bool:
        """Whether a contract of a tenant says something about monitoring."""
        return any("operations.monitoring" in one.overrides for one in self.versions(tenant))

    def context(self, tenant: str, month: Month, now_us: int) -> Context:
        """What a tenant-month is measured from."""
        governed = self.latency.months.governed(self.code(tenant), month)
        return Context(
            self.scope(tenant),
            self.platform.scope,
            governed,
            now_us,
            self.platform.register,
            self.platform.calendars,
        )

    def probed_until_us(self, tenant: str, month: Month) -> int:
        """Until when what is known of a tenant's connectivity holds, by the results so far."""
        profile = self.latency.months.governed(self.code(tenant), month).contract.profile
        scopes = self.scope(tenant), self.platform.scope
        return max(each.probes.known_until_us(profile.probe_hold_factor) for each in scopes)

    def month(self, tenant: str, instant_us: int) -> Month:
        """The local month of an instant, in the zone of the tenant's contract."""
        forces = self._forces.get(tenant)
        if forces is None:
            forces = self._forces[tenant] = in_force(self.versions(tenant))
        return month_at(forces, instant_us)

    def months(self, tenant: str, instant_us: int) -> tuple[Month, ...]:
        """The months that hold an instant, the earliest first.

        There are two where the zone changes, from one contract to another or from or to none.
        """
        month, months = self.month(tenant, instant_us), self.latency.months
        near = months.near(code := self._codes[tenant], month)
        if len(near) == 1:
            return near
        held = tuple(one for one in near if months.governed(code, one).period.holds(instant_us))
        return held or (month,)

    def ends_us(self, tenant: str, month: Month) -> set[int]:
        """When a month ends for a tenant, in whichever zone it may be by then."""
        zones = {each.zone for each in self.versions(tenant)} | {_DEFAULT_ZONE}
        return {midnight(month.end, zone) for zone in zones}

    # Mail.

    def note_mail(self, codes: Int64s, times_us: Int64s) -> list[tuple[int, int]]:
        """Remember the earliest instant that mail of each tenant tells of; what is new of it.

        A message belongs to the month of its acceptance, so that counts, not when word came.
        """
        told = times_us < self._first_mail_us[codes]
        if not told.any():
            return []
        distinct, inverse = np.unique(codes[told], return_inverse=True)
        first = np.full(len(distinct), FOREVER, dtype=np.int64)
        np.minimum.at(first, inverse, times_us[told])
        before = self._first_mail_us[distinct]
        new = distinct[before == FOREVER].tolist()
        self.strangers.take_mail(code for code in new if code not in self._contracts)
        self._first_mail_us[distinct] = first
        return list(zip(distinct.tolist(), first.tolist(), strict=True))

    def mail_since_us(self, codes: Int64s) -> Int64s:
        """The earliest instant that ``mail.mta`` tells of each tenant; `FOREVER` if of none."""
        return self._first_mail_us[codes]

    def has_mail(self, code: int, until_us: int) -> bool:
        """Whether ``mail.mta`` ever told of anything of a tenant before an instant."""
        return bool(self._first_mail_us[code] < until_us)

    def first_us(self, tenant: str) -> int | None:
        """Time of a tenant's earliest event."""
        mail_us = int(self._first_mail_us[self.code(tenant)])
        firsts = (self.scope(tenant).first_us, mail_us if mail_us < FOREVER else None)
        return min((first for first in firsts if first is not None), default=None)

    def restore(self, rows: Rows, names: Sequence[str]) -> None:
        """Take up the messages of a former life, once its facts and contracts are known."""
        for code in self._scopes:
            self.exclude(self.names[code])
        self.exclude(PLATFORM)
        self.excluded.take_former()
        self.latency.restore(rows, names)

    def codes(self, tenants: Collection[str]) -> list[int]:
        """The numbers of those tenants that have come up."""
        return [self._codes[each] for each in tenants if each in self._codes]

    def long_ago(self) -> list[tuple[int, dict[str, list[FirstHeard]]]]:
        """What was forgotten of each tenant, by number (`Scope.long_ago`)."""
        return [(code, found) for code, own in self._scopes.items() if (found := own.long_ago())]

    def remember(self, code: int, long_ago: Mapping[str, Sequence[FirstHeard]]) -> None:
        """Take up what `long_ago` gave of a tenant."""
        self._scope_of(code).remember(long_ago)

    def forget(self, before_us: int, oldest: Month) -> None:
        """Drop what no month from ``oldest`` on, beginning at ``before_us``, can need."""
        for scope in self._scopes.values():
            scope.forget(before_us)
        self.platform.forget(before_us)
        self.landed.forget(before_us)
        self.latency.forget(before_us, oldest)
