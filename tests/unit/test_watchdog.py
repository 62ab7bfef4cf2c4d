"""A partition that grows while nothing of it is committed.

ends        10    10    11    12         13
durable     10    10    10    10    …    10
                  │     │first growth    │limit after it: stuck
"""

from mailsla.streams.runtime.watchdog import Watchdog

PLACE = ("mail.ops", 2)
LIMIT_S = 100.0


def look(dog, now, end, durable=10):
    return dog.look(now, {PLACE: end}, {PLACE: durable})


def test_a_growing_partition_without_a_commit_is_stuck_after_the_limit():
    dog = Watchdog(LIMIT_S)
    assert [look(dog, 10 * n, 10 + n) for n in range(11)] == [None] * 11
    stuck = look(dog, 110, 22)
    assert (stuck.place, stuck.offset, stuck.end, stuck.for_s) == (PLACE, 10, 22, 100)
    sentence = stuck.sentence("mailsla-sinks")
    assert "mailsla-sinks" in sentence
    assert "partition 2 of mail.ops" in sentence
    assert "offset 10" in sentence


def test_a_commit_begins_anew():
    dog = Watchdog(LIMIT_S)
    assert not any(look(dog, 10 * n, 10 + n, durable=10 + n // 9) for n in range(40))


def test_a_quiet_partition_is_not_stuck_when_a_record_comes_at_last():
    dog = Watchdog(LIMIT_S)
    assert look(dog, 0, 10) is None
    assert look(dog, 5_000, 11) is None
    assert look(dog, 5_010, 11) is None


def test_a_partition_that_grew_once_and_no_more_needs_no_fresh_worker():
    dog = Watchdog(LIMIT_S)
    assert not any(look(dog, 10 * n, 10 + min(n, 1)) for n in range(100))


def test_time_in_which_the_broker_was_away_does_not_count():
    dog = Watchdog(LIMIT_S)
    look(dog, 0, 10)
    look(dog, 10, 11)
    dog.rest()
    assert look(dog, 500, 90) is None
    assert look(dog, 510, 91) is None
    assert look(dog, 520, 92) is None


def test_a_partition_of_which_nothing_was_ever_committed_is_stuck_at_its_first_offset():
    dog = Watchdog(LIMIT_S)
    looks = [dog.look(10.0 * n, {PLACE: n}, {}) for n in range(12)]
    assert looks[:11] == [None] * 11
    assert "its first offset" in looks[11].sentence("mailsla-streams")


def test_a_partition_that_was_given_away_is_forgotten():
    dog = Watchdog(LIMIT_S)
    for n in range(10):
        look(dog, 10 * n, 10 + n)
    assert dog.look(100, {}, {}) is None
    assert look(dog, 110, 30) is None
    assert look(dog, 120, 31) is None
