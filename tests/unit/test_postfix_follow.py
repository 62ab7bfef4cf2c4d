"""Following a log through rotation, truncation, partial lines and restarts."""

import gzip
import json
import os
import shutil

import pytest

from mailsla.streams.connectors.follow import (
    Follower,
    StateFileError,
    load_state,
    read_lines,
    save_state,
)
from mailsla.streams.connectors.rotation import LogPosition


def write(path, *lines, end="\n"):
    with path.open("ab") as file:
        file.write("".join(line + end for line in lines).encode())


def drain(follower, polls=3):
    """All lines a few polls return: the interval's worth of patience after a rename."""
    return [line.decode().rstrip("\n") for _ in range(polls) for line in follower.poll()]


def resumed(path, follower):
    """A follower that starts where this one stood, by way of JSON."""
    follower.close()
    return Follower(
        path, LogPosition.from_json(json.loads(json.dumps(follower.position.to_json())))
    )


@pytest.fixture
def log(tmp_path):
    return tmp_path / "mail.log"


def test_lines_are_returned_once_and_a_partial_one_when_it_is_complete(log):
    follower = Follower(log)
    assert drain(follower) == [], "the log need not exist yet"
    write(log, "one", "two")
    assert drain(follower) == ["one", "two"]
    write(log, "thr", end="")
    assert drain(follower) == []
    write(log, "ee")
    assert drain(follower) == ["three"]


def test_a_limit_splits_without_losing(log):
    write(log, *map(str, range(10)))
    follower = Follower(log)
    assert [len(follower.poll(limit=4)) for _ in range(4)] == [4, 4, 2, 0]


@pytest.mark.parametrize("restart", [False, True])
def test_rename_and_create(log, restart):
    follower = Follower(log)
    write(log, "one")
    assert drain(follower) == ["one"]
    log.rename(log.with_name("mail.log.1"))
    write(log.with_name("mail.log.1"), "two")
    write(log.with_name("mail.log.1"), "unfinished", end="")
    write(log, "three")
    if restart:
        follower = resumed(log, follower)
    assert drain(follower) == ["two", "unfinished", "three"]
    write(log, "four")
    assert drain(follower) == ["four"]


def test_the_writer_may_hold_the_renamed_file_a_moment_longer(log):
    follower = Follower(log)
    write(log, "one")
    assert drain(follower) == ["one"]
    old = log.with_name("mail.log.1")
    log.rename(old)
    write(log, "three")
    assert drain(follower, polls=1) == []
    write(old, "two")
    assert drain(follower) == ["two", "three"]


@pytest.mark.parametrize("restart", [False, True])
def test_two_rotations_between_two_looks(log, restart):
    follower = Follower(log)
    write(log, "one")
    assert drain(follower) == ["one"]
    write(log, "two")
    log.rename(log.with_name("mail.log.2"))
    write(log, "three")
    log.rename(log.with_name("mail.log.1"))
    os.utime(log.with_name("mail.log.2"), ns=(1, 1))
    write(log, "four")
    if restart:
        follower = resumed(log, follower)
    assert drain(follower) == ["two", "three", "four"]


def test_a_rotated_log_that_was_compressed_meanwhile(log):
    follower = Follower(log)
    write(log, "one")
    assert drain(follower) == ["one"]
    write(log, "two")
    with gzip.open(log.with_name("mail.log-20261122.gz"), "wb") as packed:
        packed.write(log.read_bytes())
    follower.close()
    log.unlink()
    write(log, "three")
    assert drain(resumed(log, follower)) == ["two", "three"]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("after", [["three"], ["three", "four and much longer than before"]])
def test_copytruncate(log, restart, after):
    follower = Follower(log)
    write(log, "one, a first line")
    assert drain(follower) == ["one, a first line"]
    write(log, "two")
    shutil.copy(log, log.with_name("mail.log.1"))
    os.truncate(log, 0)
    write(log, *after)
    if restart:
        follower = resumed(log, follower)
    assert drain(follower) == ["two", *after]


def test_a_generation_that_is_gone_is_given_up(log):
    follower = Follower(log)
    write(log, "one")
    assert drain(follower) == ["one"]
    follower.close()
    log.unlink()
    write(log, "other beginning")
    assert drain(resumed(log, follower)) == ["other beginning"]


def test_a_restart_goes_on_where_it_stood(log):
    follower = Follower(log)
    write(log, "one", "two")
    follower.poll(limit=1)
    assert drain(resumed(log, follower)) == ["two"]


def test_state_is_saved_whole_or_not_at_all(tmp_path, log):
    state = tmp_path / "ship.state"
    assert load_state(state) == (None, None)
    write(log, "one")
    follower = Follower(log)
    follower.poll()
    save_state(state, follower.position, {"some": "state"})
    before = state.read_bytes()
    assert load_state(state) == (follower.position, {"some": "state"})
    with pytest.raises(TypeError):
        save_state(state, follower.position, {"not": object()})
    assert state.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mail.log", "ship.state"]


@pytest.mark.parametrize("content", ["{", '{"version": 0}', "[]"])
def test_an_unusable_state_file_is_named_with_the_remedy(tmp_path, content):
    state = tmp_path / "ship.state"
    state.write_text(content)
    with pytest.raises(StateFileError, match=r"ship\.state .*remove it"):
        load_state(state)


def test_a_finished_log_is_read_plain_or_compressed(tmp_path, log):
    write(log, "one")
    write(log, "two", end="")
    packed = tmp_path / "mail.log.2.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    assert list(read_lines(log)) == list(read_lines(packed)) == [b"one\n", b"two"]
