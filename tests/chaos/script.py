"""What a partition is sent: an endless list of messages, the same for the same seed. Message i lies at offset i of its partition."""

from __future__ import annotations

import random
import threading
from array import array
from dataclasses import dataclass

from .ledger import JOURNAL_BLOCK, digest_of

_NOISE_BYTES = 1 << 17
_LARGEST = 100_000


@dataclass(frozen=True)
class Message:
    key: bytes
    number: int  # 1 for the first of its key
    value: bytes


@dataclass(frozen=True)
class Account:
    """What is to be known of a key after a number of its messages."""

    count: int
    total: int
    digest: bytes


class Script:
    """One partition's messages. Thread-safe: a feeder reads ahead, an oracle behind."""

    def __init__(self, seed: str, partition: int, keys: int, faults: str, fault_every: int) -> None:
        self._chance = random.Random(f"{seed}/{partition}")
        self._noise = random.Random(f"{seed}/noise").randbytes(_NOISE_BYTES)
        self._faults = faults
        self._fault_every = fault_every
        self._lock = threading.Lock()
        self.prefix = b"p%d-" % partition
        self.keys = [self.prefix + b"k%d" % key for key in range(keys)]
        # By index: the key's place in `keys`, the message's number of that key, the body's length, the fault.
        self._key = array("B")
        self._number = array("Q")
        self._size = array("I")
        self._fault = bytearray()
        self._indexes = [array("Q") for _ in self.keys]
        # By key: totals and digests after each number; what the state has to hold.
        self._totals = [array("Q", [0]) for _ in self.keys]
        self._digests = [[b""] for _ in self.keys]

    def message(self, index: int) -> Message:
        with self._lock:
            self._extend(index)
            return self._message(index)

    def counts_at(self, position: int) -> dict[bytes, int]:
        """How many messages of each key come before this offset."""
        with self._lock:
            self._extend(position)
            counts = dict.fromkeys(self.keys, 0)
            for index in range(position):
                counts[self.keys[self._key[index]]] += 1
            return counts

    def account(self, key: bytes, number: int) -> Account:
        """After the first `number` messages of the key."""
        with self._lock:
            place = self.keys.index(key)
            totals, digests = self._totals[place], self._digests[place]
            while len(totals) <= number:
                while len(self._indexes[place]) < len(totals):
                    self._extend(len(self._key))
                value = self._message(self._indexes[place][len(totals) - 1]).value
                totals.append(totals[-1] + len(value))
                digests.append(digest_of(digests[-1], value))
            return Account(number, totals[number], digests[number])

    def journal(self, key: bytes, number: int) -> bytes:
        """What the function's journal holds after that number: first bytes of the digests since the block began."""
        block = range(max(1, number - number % JOURNAL_BLOCK), number + 1)
        return b"".join(self.account(key, one).digest[:1] for one in block)

    def _message(self, index: int) -> Message:
        place, number, size = self._key[index], self._number[index], self._size[index]
        start = (number * 7919 + place * 104_729) % (_NOISE_BYTES - size)
        head = b"%s %d %c\n" % (self.keys[place], number, self._fault[index])
        return Message(self.keys[place], number, head + self._noise[start : start + size])

    def _extend(self, index: int) -> None:
        while len(self._key) <= index:
            chance = self._chance
            place = min(int(chance.expovariate(3.0) * len(self.keys)), len(self.keys) - 1)  # a few keys have most of the messages
            size = chance.randrange(1000, _LARGEST) if chance.random() < 0.005 else min(int(chance.expovariate(1 / 120)), _LARGEST)
            is_faulty = bool(self._faults) and chance.randrange(self._fault_every) == 0
            self._indexes[place].append(len(self._key))
            self._number.append(len(self._indexes[place]))
            self._size.append(size)
            self._fault.append(ord(chance.choice(self._faults)) if is_faulty else ord("-"))
            self._key.append(place)
