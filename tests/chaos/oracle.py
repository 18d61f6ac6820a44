"""Compares what a function put out with what it was sent: nothing lost, nothing twice, nothing out of order, every total right.

An output that a reader sees is final: it is durable (embedded) or committed (Kafka, read_committed). After a restore of an older
checkpoint, outputs since then come again, by definition: exactly from the checkpoint's counts on.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from .script import Account, Script

KINDS = ("lost", "duplicated", "reordered", "wrong", "state", "input", "failed", "stuck", "crashed")
_KEPT = 20


class Differences:
    """All that was not as it has to be, with the first of them in words. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.first: list[str] = []

    def add(self, kind: str, text: str, count: int = 1) -> None:
        assert kind in KINDS, kind
        with self._lock:
            self.counts[kind] += count
            if len(self.first) < _KEPT:
                self.first.append(f"{kind}: {text}")

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass
class _Course:
    """One key: its outputs came up to `done`, but for the missing."""

    script: Script
    done: int = 0
    missing: set[int] = field(default_factory=set)
    rewinds: list[Rewind] = field(default_factory=list)


@dataclass
class Rewind:
    """A restore: outputs at or past `ends` (by output partition) follow on the counts of the restored checkpoint."""

    checkpoint: str
    ends: dict[int, int]
    counts: dict[bytes, int]
    # None while nobody knows whether the restore happened (the server died within the call): the first output that could tell, tells.
    happened: bool | None


class Oracle:
    """Of one function. take() is called by one reader for each output partition; the rest by anyone."""

    def __init__(self, name: str, scripts: list[Script], differences: Differences) -> None:
        self.name = name
        self.scripts = scripts
        self.differences = differences
        self._lock = threading.Lock()
        self._courses = {key: _Course(script) for script in scripts for key in script.keys}
        self._answers: dict[bytes, list[str]] = {}
        self._answered: set[bytes] = set()  # prefixes
        self._taken = 0

    @property
    def taken(self) -> int:
        """Outputs seen so far, questions' answers apart; grows whenever something comes."""
        return self._taken

    def done(self) -> int:
        """How far the outputs got, in messages; what was left out on the way counts too."""
        with self._lock:
            return sum(course.done for course in self._courses.values())

    def is_answered(self) -> bool:
        """The function has worked through all that was sent before the questions, one in each partition."""
        return len(self._answered) == len(self.scripts)

    def take(self, value: bytes, partition: int, offset: int) -> str | None:
        """Checks one output; the incarnation of the instance that made it, None where it does not say."""
        with self._lock:
            place = f"{self.name}: output {partition}/{offset}"
            words = value.decode("ascii", "replace").split(" ")
            if words[0] == "=" and len(words) == 7:
                self._answers.setdefault(words[1].encode(), []).append(" ".join(words[2:]))
                return None
            if words[0] == "=end" and len(words) == 2:
                self._answered.add(words[1].encode())
                return None
            course = self._courses.get(words[0].encode())
            if course is None or len(words) != 7 or not words[1].isdigit():
                self.differences.add("wrong", f"{place}: not what the function writes: {value[:200]!r}")
                return None
            self._taken += 1
            self._check(course, words, place, partition, offset)
            return words[6]

    def _check(self, course: _Course, words: list[str], place: str, partition: int, offset: int) -> None:
        key, number = words[0].encode(), int(words[1])
        self._apply_rewinds(course, key, number, partition, offset)
        about = f"{place}: {words[0]} message {number}"
        if number in course.missing:
            course.missing.remove(number)
            self.differences.add("reordered", f"{about} comes after message {course.done}")
        elif number <= course.done:
            self.differences.add("duplicated", f"{about}, a second time; {course.done} came before it")
        else:
            if number > course.done + 1:
                course.missing.update(range(course.done + 1, number))
            course.done = number
        expected = _account_words(course.script.account(key, number))
        if words[2:5] != expected:
            self.differences.add("wrong", f"{about}: the state's count, total and digest are {words[2:5]}, not {expected}")
        if words[5] != expected[0]:
            self.differences.add("wrong", f"{about}: the count in memory is {words[5]}, not {expected[0]}")

    def _apply_rewinds(self, course: _Course, key: bytes, number: int, partition: int, offset: int) -> None:
        while course.rewinds and offset >= course.rewinds[0].ends[partition]:
            rewind = course.rewinds.pop(0)
            base = rewind.counts[key]
            # A key that stood where it stands after the restore cannot tell, and need not know.
            if rewind.happened is None and base != course.done:
                rewind.happened = number == base + 1
            if rewind.happened:
                self._count_lost(key, course)
                course.done = base

    def rewind(self, rewind: Rewind) -> None:
        """Announces a restore before the function runs again."""
        with self._lock:
            for course in self._courses.values():
                course.rewinds.append(rewind)

    def confirm(self, rewind: Rewind) -> None:
        """The server has said that the restore happened."""
        with self._lock:
            if rewind.happened is False:
                self.differences.add("wrong", f"{self.name}: the outputs after the restore of {rewind.checkpoint} do not follow on it")
            rewind.happened = True

    def finish(self, sent: list[int], is_answered: bool) -> None:
        """After the last output: what never came, and the state against what it has to be. `sent`: messages, by input partition."""
        with self._lock:
            for script, position in zip(self.scripts, sent):
                for key, count in script.counts_at(position).items():
                    course = self._courses[key]
                    for rewind in course.rewinds:  # no output of this key came after it
                        if rewind.happened:
                            course.done = rewind.counts[key]
                    course.missing.update(range(course.done + 1, count + 1))
                    self._count_lost(key, course)
                    if is_answered and count:
                        self._compare_state(script, key, count)

    def _count_lost(self, key: bytes, course: _Course) -> None:
        if course.missing:
            first = min(course.missing)
            count = len(course.missing)
            self.differences.add("lost", f"{self.name}: {key.decode()} message {first} and {count - 1} more never came out", count)
            course.missing = set()

    def _compare_state(self, script: Script, key: bytes, count: int) -> None:
        expected = " ".join([*_account_words(script.account(key, count)), str(count), "j" + script.journal(key, count).hex()])
        answers = self._answers.get(key, [])
        if answers != [expected]:
            self.differences.add("state", f"{self.name}: {key.decode()}: the function holds {answers}, not {expected!r}")


def _account_words(account: Account) -> list[str]:
    return [str(account.count), str(account.total), account.digest.hex()]
