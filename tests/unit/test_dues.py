"""When sections are to be looked at: neither before it can tell anything, nor in vain."""

from mailsla.streams.live.evaluate.dirty_sections import KNOWLEDGE
from mailsla.streams.live.evaluate.dues import Timers
from mailsla.streams.live.evaluate.groups import Group
from mailsla.streams.time.calendar import Month
from mailsla.streams.time.intervals import FOREVER

MONTH = Month.parse("2025-10")
CONNECTIVITY, BACKUP = 1, 7


def test_what_may_be_absent_waits_for_word_of_the_platform():
    timers = Timers([Group()])
    timers.note(0, MONTH, BACKUP, 100)
    timers.note(0, MONTH, CONNECTIVITY, 150)
    assert timers.top(reach_us=99) == 150
    assert list(timers.take(150, reach_us=99)) == [(0, MONTH, CONNECTIVITY)]
    assert list(timers.take(150, reach_us=100)) == [(0, MONTH, BACKUP)]


def test_an_end_of_knowledge_is_put_off_as_long_as_results_come():
    groups = [Group(), Group()]
    timers = Timers(groups)
    timers.note(0, MONTH, KNOWLEDGE, 100)
    timers.note(1, MONTH, KNOWLEDGE, 110)
    until_us = {0: 250, 1: 120}
    timers.put_off_knowledge(99, lambda number, month: until_us[number])
    assert timers.top(FOREVER) == 100
    timers.put_off_knowledge(200, lambda number, month: until_us[number])
    assert timers.top(FOREVER) == 120
    assert list(timers.take(200, FOREVER)) == [(1, MONTH, KNOWLEDGE)]
    assert groups[0].dirty.due_us == {MONTH: {KNOWLEDGE: 250}}
