"""Everything wrong that can stand in place of a key's value, by what docs/configuration.md says that the key holds.

The document's tables are compared with the parser's own by a unit test, so a key that is added there is tried here without a line of code;
one of a new form fails until its wrong values are written down.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[3] / "docs" / "configuration.md"

LIST, MAP, NESTED = "[1, 2]", "{some: thing}", "[{deep: [{deeper: [1]}]}]"
NO_NUMBERS = (
    '"5"',
    "'5'",
    "soon",
    "true",
    ".nan",
    ".inf",
    "-.inf",
    "0x10",
    "0o7",
    "+5",
    "1_000",
    "5s",
    "5,5",
    "~5",
    '""',
    "٣",
    "5;5",
    "1:30",
    LIST,
    MAP,
    NESTED,
    "[]",
    "{}",
)
NO_WHOLE_NUMBERS = (*NO_NUMBERS, "1.5", "2.0", "1e3", "007", "-0.5", "99999999999999999999", "-99999999999999999999", "9" * 5000)
NO_BOOLEANS = (
    "yes",
    "no",
    "on",
    "off",
    "y",
    "0",
    "1",
    "-1",
    '"true"',
    "'false'",
    "tRue",
    "perhaps",
    ".nan",
    '""',
    LIST,
    MAP,
    NESTED,
    "1.5",
)
NO_TEXTS = (LIST, MAP, NESTED, "[]", "{}", '"a\\0b"')
NO_MAPS = ("5", "text", '""', "true", "1.5", ".nan", LIST, NESTED, "[]")


@dataclass(frozen=True)
class Key:
    path: str  # "limits.memory_mb", "input-groups[].inputs"
    form: str  # "a whole number, 32 to 4096"
    is_required: bool

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def parent(self) -> str:
        return self.path.rpartition(".")[0]


def keys(heading: str) -> list[Key]:
    """The rows of the tables under a heading of docs/configuration.md, in their order."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = []
    for line in text.splitlines():
        if line.startswith("| `"):
            path, form, default = (cell.strip() for cell in line.split("|")[1:4])
            found.append(Key(path.strip("`"), form, default == "required"))
    assert found, f"docs/configuration.md has no table under {heading!r}"
    return found


def _below_and_above(form: str, smallest_step: float) -> list[str]:
    low, high = (float(number) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", form)[:2])
    steps = [low - smallest_step, -low - 1, high + smallest_step, high * 1000]
    return [f"{number:.0f}" if smallest_step == 1 else f"{number:f}" for number in steps]


def wrong_values(form: str) -> list[str]:
    """YAML of values that a key of this form must refuse. AssertionError for a form that is not known here."""
    if re.fullmatch(r"a whole number( of milliseconds)?, \d+ to \d+", form):
        return [*NO_WHOLE_NUMBERS, *_below_and_above(form, 1)]
    if form == "1 to 1024, or partitions":
        return [*NO_WHOLE_NUMBERS, "0", "-1", "1025", "partition", "Partitions"]
    if re.fullmatch(r"seconds, [\d.]+ to [\d.]+, fractions allowed", form):
        return [*NO_NUMBERS, *_below_and_above(form, 0.001), "1e400", "1e-400"]
    if form == "true or false":
        return list(NO_BOOLEANS)
    if form == "text":
        return [*NO_TEXTS, '""']
    if form == "path":
        return [*NO_TEXTS, '""']
    if form == 'path or ""':
        return list(NO_TEXTS)
    if form.startswith("letters, digits"):
        return [
            *NO_TEXTS,
            '""',
            ".",
            "..",
            "../x",
            "a/b",
            "a b",
            '"a\\tb"',
            '"a\\x1b[2Jb"',
            "naïve",
            "函数",
            '"\\u202eevil"',
            "a" * 256,
            "a:b",
            '"a\\n"',
            "'*x'",
        ]
    if form == "timestamp, function, or json:<field>":
        return [*NO_TEXTS, '""', "Timestamp", "timestam", "5", "'json:'", "json", "xml:field"]
    if form in ("map", "map of plain values"):
        return [*NO_MAPS, *(("{key: [1]}", "{key: {a: b}}", "{key: }", "{key: ~}") if form != "map" else ())]
    if form.startswith("list of"):
        no_lists = ["5", "text", '""', "true", MAP, "[5]", "[text]", "[[]]", "[~]", "[{unknown: 1}]", "[{}]"]
        return [*no_lists, *(["[]"] if "one or more" in form else [])]
    if form == "not in this version":
        return ["5", "{tls: true}", "text", LIST]
    words = form.split(", ")
    assert len(words) > 1 and all(re.fullmatch(r"[a-z-]+", word) for word in words), f"no wrong values are known for the form {form!r}"
    slips = [slip for word in words for slip in (word[:-1], word.upper(), word + " x")]
    return [*(slip for slip in slips if slip not in words), "5", "true", '""', ".nan", *NO_TEXTS]


def slips(name: str) -> Iterator[str]:
    """Ways to mistype a name that leave it near enough to be found again."""
    yield name[1] + name[0] + name[2:]
    yield name[:-1]
    yield name + name[-1]
    yield name.upper()
    if "_" in name or "-" in name:
        yield name.translate(str.maketrans("_-", "-_"))
        yield name.replace("_", "").replace("-", "")
