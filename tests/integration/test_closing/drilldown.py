"""Figures worked out from the rows behind them, all indicators of a tenant at once."""

from mailsla.sinks.closing.explain.explain import truncated
from mailsla.sinks.closing.explain.formulas import FORMULAS, Sums, evidence_of
from mailsla.sinks.closing.views import evidence

_PERIOD = """
SELECT end_us - start_us, year_days
FROM plan_tenants
WHERE month = {month:Date} AND plan = {plan:UInt64} AND tenant_id = {tenant:String} AND part = 0
"""
_SUMS = """
SELECT indicator, count(), countIf(counts), sumIf(amount, counts), sumIf(excused, counts),
  maxIf(amount, counts), sumIf(amount, NOT counts)
FROM closing_{name}(
  tenant = {{tenant:String}}, month = {{month:Date}}, plan = {{plan:UInt64}},
  cutoff = {{cutoff:Int64}}
)
WHERE tenant_id = {{tenant:String}}
GROUP BY indicator
"""
_NO_ROWS = (0,) * 6


def worked_out(client, tenant, month, cutoff_us):
    """indicator → its value from the evidence rows by the newest plan; None without a ratio."""
    newest = "SELECT max(plan) FROM plans WHERE month = {month:Date}"
    ((plan,),) = client.query(newest, parameters={"month": month}).result_rows
    parameters = {"tenant": tenant, "month": month, "plan": plan, "cutoff": cutoff_us}
    (period,) = client.query(_PERIOD, parameters=parameters).result_rows
    sums = {}
    for name in evidence():
        for indicator, *own in client.query(
            _SUMS.format(name=name), parameters=parameters
        ).result_rows:
            assert evidence_of(indicator) == name
            sums[indicator] = own
    values = {
        indicator: formula.work_out(Sums(*map(int, sums.get(indicator, _NO_ROWS)), *period)).value
        for indicator, formula in FORMULAS.items()
    }
    return {name: None if value is None else truncated(value) for name, value in values.items()}


def unexplained(client, closing, month, cutoff_us):
    """indicator → (figure, what its rows add up to), of those that have a figure and differ."""
    values = worked_out(client, closing.tenant_id, month, cutoff_us)
    return {
        item.indicator: (item.observed, values[item.indicator])
        for item in closing.items
        if item.observed is not None and item.observed != values[item.indicator]
    }
