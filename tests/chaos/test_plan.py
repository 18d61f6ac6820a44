"""A seed makes the same run again."""

from __future__ import annotations

import itertools

from .plan import Life, Pace, failpoints, random_plan
from .script import Message, Script


def lives(seed: int) -> list[Life]:
    return list(itertools.islice(random_plan(seed, 3, True).lives, 300))


def messages(seed: str) -> list[Message]:
    script = Script(seed, 1, 8, "FRX", 50)
    return [script.message(index) for index in range(500)]


def test_the_same_seed_gives_the_same_lives_messages_and_pace() -> None:
    assert lives(5) == lives(5) != lives(6)
    assert messages("5") == messages("5") != messages("6")
    first, again = Pace("5", 300), Pace("5", 300)
    assert [first.allowed(one / 10) for one in range(600)] == [again.allowed(one / 10) for one in range(600)]


def test_every_failpoint_of_the_sources_and_every_end_is_tried() -> None:
    planned = lives(5)
    assert {life.failpoint.split(":")[0] for life in planned} - {""} == set(failpoints()) >= {"state-prepared", "outputs-committed"}
    assert {life.end for life in planned} == {"kill", "stop"}
    assert {action.kind for life in planned for action in life.actions} == {"kill-broker", "stop-start", "restore"}


def test_messages_count_up_by_key_and_restoring_positions_tell_how_many_came_before() -> None:
    script = Script("5", 0, 8, "", 1)
    seen = dict.fromkeys(script.keys, 0)
    for index in range(300):
        message = script.message(index)
        assert script.counts_at(index) == seen
        assert message.number == seen[message.key] + 1
        seen[message.key] += 1
