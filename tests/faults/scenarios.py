"""What can go wrong, by name: the tests that show it, and how hard they try alone.

All of them run on real processes, and end with one reckoning (`tests.exactness`): every good event
a fact, once; every refused one a dead letter with its bytes; every month window the naive count.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Scenario:
    """Something that goes wrong, the tests that do it, and their variables.

    The environment may say otherwise: ``MAILSLA_AWAY_S=30 make faults SCENARIO=broker-away``.
    """

    about: str
    tests: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)


FAULTS = "tests/faults/test_faults.py"
WAITING = "tests/faults/test_outages.py"
CLOCKS = "tests/faults/test_clocks.py"
LOADS = "tests/faults/test_loads.py"
TOPICS = "tests/faults/test_topics.py"
SUPERVISION = "tests/integration/test_supervision.py"
LIVE = "tests/integration/test_closing_live.py"

SCENARIOS = {
    "worker-kills": Scenario(
        "a worker of either kind is killed fifty times",
        (f"{FAULTS}::test_a_worker_killed_again_and_again",),
        {"MAILSLA_KILLS": "50"},
    ),
    "feed-kills": Scenario(
        "the live worker is killed thirty times; its feed is that of a run nobody disturbed",
        ("tests/faults/test_feed_kills.py",),
        {"MAILSLA_KILLS": "30"},
    ),
    "kill-points": Scenario(
        "a worker is killed at each point of a checkpoint or an insert, five times",
        ("tests/faults/test_kill_points.py",),
        {"MAILSLA_KILL_ROUNDS": "5"},
    ),
    "sigterm": Scenario(
        "a worker is told to end under load",
        (f"{FAULTS}::test_sigterm_in_the_middle_ends_a_worker_cleanly",),
    ),
    "broker-kill": Scenario(
        "the broker is killed and comes back, five times",
        (f"{FAULTS}::test_the_broker_dies_and_comes_back",),
        {"MAILSLA_BROKER_KILLS": "5"},
    ),
    "broker-away": Scenario(
        "the broker is away for two minutes, as behind a dead network, then dead itself",
        (f"{WAITING}::test_a_broker_that_is_away",),
        {"MAILSLA_AWAY_S": "120"},
    ),
    "three-brokers": Scenario(
        "of three brokers leaders are killed, and all are restarted in turn, under load",
        ("tests/faults/test_three_brokers.py",),
    ),
    "proxy": Scenario(
        "the network to the broker is late, says things twice and breaks off",
        ("tests/faults/test_proxy.py",),
    ),
    "disk-full": Scenario(
        "the disk of the broker, then of ClickHouse, is full until there is room again",
        ("tests/faults/test_disk_full.py",),
    ),
    "dead-letters-gone": Scenario(
        "the topic of dead letters refuses them, or is gone, for more than a minute",
        ("tests/faults/test_refusals.py",),
    ),
    "clickhouse-kill": Scenario(
        "ClickHouse is killed while the sinks land, twenty times",
        (
            f"{FAULTS}::test_clickhouse_dies_while_the_live_worker_goes_on",
            f"{WAITING}::test_clickhouse_killed_again_and_again",
        ),
        {"MAILSLA_KILLS": "20"},
    ),
    "clickhouse-away": Scenario(
        "ClickHouse is gone for three minutes, under load",
        (f"{WAITING}::test_a_clickhouse_that_is_away",),
        {"MAILSLA_AWAY_S": "180"},
    ),
    "clickhouse-hung": Scenario(
        "ClickHouse takes connections and answers nothing",
        (f"{WAITING}::test_a_clickhouse_that_hangs",),
    ),
    "inserts-cut": Scenario(
        "a connection is cut before, within and after an insert",
        ("tests/integration/test_landing_outage.py::test_nothing_is_lost_and_nothing_doubled",),
    ),
    "join-leave": Scenario(
        "workers join and leave under load",
        (f"{FAULTS}::test_workers_join_and_leave_during_the_flood",),
    ),
    "zombie": Scenario(
        "a live worker stands still past its session, others take over, and it wakes",
        (f"{WAITING}::test_a_zombie_that_wakes",),
    ),
    "watchdog": Scenario(
        "a worker is stuck, or cannot go on for a lasting reason, under mailsla up",
        (
            f"{SUPERVISION}::test_a_partition_that_grows_while_nothing_is_committed_ends_the_worker"
            "_and_the_next_goes_on",
            f"{SUPERVISION}::test_a_worker_that_cannot_go_on_stays_down_and_says_why_and_the_rest"
            "_goes_on",
        ),
    ),
    "poison": Scenario(
        "records make the live task fail, or their batches cannot be read",
        ("tests/faults/test_poison.py", "tests/integration/test_unreadable_batches.py"),
    ),
    "refused-records": Scenario(
        "one in a hundred records, half of them or all are refused; records as large as can be",
        ("tests/faults/test_refused_records.py",),
    ),
    "invented-tenants": Scenario(
        "somebody invents a million tenants; memory is bounded, the others are unhurt",
        (f"{LOADS}::test_invented_tenants",),
        {"MAILSLA_TENANTS": "1000000"},
    ),
    "one-tenant": Scenario(
        "one tenant has nine tenths of the load; the others wait no longer",
        (f"{LOADS}::test_one_tenant_with_nine_tenths_of_the_load",),
    ),
    "rolling-upgrade": Scenario(
        "workers of the release before are replaced one after the other under load",
        ("tests/faults/test_rolling_upgrade.py",),
    ),
    "restarts": Scenario(
        "the live worker of ten thousand tenants starts again fifty times",
        (f"{LOADS}::test_a_state_of_ten_thousand_tenants_is_read_back_every_time",),
        {"MAILSLA_ROUNDS": "50"},
    ),
    "soak": Scenario(
        "half an hour, or MAILSLA_SOAK_MINUTES, at 70 % of what the workers sustain",
        (f"{LOADS}::test_a_load_that_goes_on_leaves_no_slope",),
    ),
    "idle": Scenario("a stack has nothing to do", ("tests/faults/test_idle.py",)),
    "reshipped": Scenario(
        "a log comes again whole, in part, a year later, and altered under the same ids",
        ("tests/faults/test_reshipped.py",),
    ),
    "clocks": Scenario(
        "disorder within and beyond the lateness; hosts an hour ahead, in 1971, ten years ahead",
        (f"{CLOCKS}::test_disorder_and_wrong_clocks_change_nothing",),
    ),
    "producers": Scenario(
        "producers in other languages, with the partitioners they have by default",
        ("tests/faults/test_producers.py",),
    ),
    "topics-anew": Scenario("topics are deleted and made anew, partitions added", (TOPICS,)),
    "closings": Scenario(
        "closings are killed at every step and run twice at once; migrations thrice at once",
        (
            "tests/integration/test_closing/test_killed_at_every_step.py",
            f"{LIVE}::test_of_two_processes_at_once_one_closes_and_the_other_says_so",
            "tests/integration/test_migrations.py::test_runs_at_the_same_time_end_in_the_same_schema",
        ),
    ),
}
