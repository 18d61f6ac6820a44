"""The oracle on outputs made by hand: each way in which they can be wrong is told apart, and right ones pass."""

from __future__ import annotations

import pytest

from .oracle import Differences, Oracle, Rewind
from .script import Script

SENT = 60


class Outputs:
    """What a function that does everything right would put out, by input offset; one partition."""

    def __init__(self) -> None:
        self.script = Script("oracle", 0, 4, "", 1)
        self.messages = [self.script.message(index) for index in range(SENT)]
        self.differences = Differences()
        self.oracle = Oracle("ledger", [self.script], self.differences)
        self.offset = 0

    def right(self, index: int) -> bytes:
        message = self.messages[index]
        account = self.script.account(message.key, message.number)
        return b"%s %d %d %d %s %d %s" % (
            message.key,
            message.number,
            account.count,
            account.total,
            account.digest.hex().encode(),
            message.number,
            b"incarnation",
        )

    def take(self, *values: bytes) -> None:
        for value in values:
            self.oracle.take(value, 0, self.offset)
            self.offset += 1

    def answer(self) -> None:
        for key, count in self.script.counts_at(SENT).items():
            account = self.script.account(key, count)
            held = (key, count, account.total, account.digest.hex().encode(), count, self.script.journal(key, count).hex().encode())
            self.take(b"= %s %d %d %s %d j%s" % held)
        self.take(b"=end " + self.script.prefix)

    def found(self) -> dict[str, int]:
        self.oracle.finish([SENT], is_answered=True)
        return dict(self.differences.counts)

    def of_one_key(self, count: int) -> list[int]:
        """Input offsets of the first messages of the busiest key."""
        key = max(self.script.keys, key=lambda one: sum(message.key == one for message in self.messages))
        return [index for index, message in enumerate(self.messages) if message.key == key][:count]


@pytest.fixture
def outputs() -> Outputs:
    return Outputs()


def test_right_outputs_and_a_right_state_differ_in_nothing(outputs: Outputs) -> None:
    outputs.take(*map(outputs.right, range(SENT)))
    assert outputs.oracle.done() == SENT and not outputs.oracle.is_answered()
    outputs.answer()
    assert outputs.oracle.is_answered() and outputs.found() == {}


def test_a_missing_output_is_lost(outputs: Outputs) -> None:
    outputs.take(*(outputs.right(index) for index in range(SENT) if index not in (20, SENT - 1)))
    outputs.answer()
    assert outputs.found() == {"lost": 2}


def test_a_second_output_is_a_duplicate(outputs: Outputs) -> None:
    outputs.take(*(outputs.right(index) for index in (*range(30), *range(28, SENT))))
    outputs.answer()
    assert outputs.found() == {"duplicated": 2}


def test_outputs_of_a_key_in_another_order_are_reordered(outputs: Outputs) -> None:
    first, second = outputs.of_one_key(2)
    order = list(range(SENT))
    order[first], order[second] = second, first
    outputs.take(*map(outputs.right, order))
    outputs.answer()
    assert outputs.found() == {"reordered": 1}


@pytest.mark.parametrize("word", [2, 3, 4, 5])
def test_a_wrong_count_total_digest_or_memory_is_wrong(outputs: Outputs, word: int) -> None:
    words = outputs.right(SENT - 1).split(b" ")
    words[word] = words[word] + b"0"
    outputs.take(*map(outputs.right, range(SENT - 1)), b" ".join(words))
    outputs.answer()
    assert outputs.found() == {"wrong": 1}


def test_what_the_function_never_writes_is_wrong(outputs: Outputs) -> None:
    outputs.take(*map(outputs.right, range(SENT)), b"p9-k9 1 1 1 00 1 x", b"\xff", b"")
    outputs.answer()
    assert outputs.found() == {"wrong": 3}


def test_a_state_that_is_not_what_the_outputs_said_differs(outputs: Outputs) -> None:
    outputs.take(*map(outputs.right, range(SENT)))
    keys = sum(count > 0 for count in outputs.script.counts_at(SENT).values())
    assert outputs.found() == {"state": keys}


@pytest.mark.parametrize("happened", [True, None])
def test_after_a_restore_outputs_come_again_from_its_counts_on(outputs: Outputs, happened: bool | None) -> None:
    outputs.take(*map(outputs.right, range(40)))
    outputs.oracle.rewind(Rewind("3", {0: 40}, outputs.script.counts_at(25), happened))
    outputs.take(*map(outputs.right, range(25, SENT)))
    outputs.answer()
    assert outputs.found() == {}


def test_a_restore_that_may_have_happened_and_did_not_repeats_nothing(outputs: Outputs) -> None:
    outputs.take(*map(outputs.right, range(40)))
    outputs.oracle.rewind(Rewind("3", {0: 40}, outputs.script.counts_at(25), None))
    outputs.take(*map(outputs.right, range(40, SENT)))
    outputs.answer()
    assert outputs.found() == {}


def test_a_restore_that_goes_back_too_little_or_too_far_is_seen(outputs: Outputs) -> None:
    outputs.take(*map(outputs.right, range(40)))
    outputs.oracle.rewind(Rewind("3", {0: 40}, outputs.script.counts_at(25), True))
    outputs.take(*map(outputs.right, range(30, SENT)))
    outputs.answer()
    assert outputs.found() == {"lost": 5}
    again = Outputs()
    again.take(*map(again.right, range(40)))
    again.oracle.rewind(Rewind("3", {0: 40}, again.script.counts_at(25), True))
    again.take(*map(again.right, range(20, SENT)))
    again.answer()
    assert again.found() == {"duplicated": 5}
