"""Results as one table a workload, with what was asked for beside what was measured."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .measure import Result
from .systems import SYSTEMS
from .workloads import WORKLOADS

OURS = "function-stream"


@dataclass(frozen=True)
class Summary:
    """The medians of a system's runs of a workload, and the sums of what was wrong in any of them."""

    system: str
    workload: str
    runs: int
    messages: int
    rate: float | None
    slowest: float | None
    fastest: float | None
    cpu_us: float | None
    start_s: float | None
    memory_mib: float | None
    lost: int
    duplicates: int
    wrong: int
    failures: tuple[str, ...]


def summarize(results: Sequence[Result]) -> list[Summary]:
    """In the order in which the systems first ran."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.workload, result.system), []).append(result)
    return [_summary(group) for group in groups.values()]


def _summary(group: list[Result]) -> Summary:
    rates = [one.rate for one in group if one.rate is not None and not one.failure]
    return Summary(
        group[0].system,
        group[0].workload,
        len(group),
        group[0].messages,
        statistics.median(rates) if rates else None,
        min(rates, default=None),
        max(rates, default=None),
        _median([one.cpu_us for one in group if not one.failure]),
        _median([one.start_s for one in group]),
        _median([one.memory_mib for one in group]),
        sum(one.lost for one in group),
        sum(one.duplicates for one in group),
        sum(one.wrong for one in group),
        tuple(one.failure for one in group if one.failure),
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


@dataclass(frozen=True)
class Target:
    """A ratio of two systems' figures of one workload, and what it should be."""

    about: str
    workload: str
    ours: str
    peer: str
    figure: str
    limit: float

    def measured(self, summaries: Sequence[Summary]) -> float | None:
        figures = {one.system: getattr(one, self.figure) for one in summaries if one.workload == self.workload}
        ours, peer = figures.get(self.ours), figures.get(self.peer)
        return ours / peer if ours and peer else None

    def is_reached(self, measured: float) -> bool:
        return measured <= self.limit if self.figure == "cpu_us" else measured >= self.limit


TARGETS = (
    Target("rate against the transactional confluent-kafka loop", "metric", OURS, "confluent-transactional", "rate", 2.5),
    Target("CPU a message against the same", "metric", OURS, "confluent-transactional", "cpu_us", 0.4),
    Target("rate against Kafka Streams, exactly-once v2", "metric", OURS, "kafka-streams", "rate", 3),
    Target("rate against Bytewax", "metric", OURS, "bytewax", "rate", 4),
    Target("rate against Quix Streams, exactly-once", "metric", OURS, "quix", "rate", 5),
    Target("rate against PyFlink, exactly-once", "metric", OURS, "flink", "rate", 20),
    Target("exactly-once at 100 ms against at-least-once", "metric", "function-stream-100ms", "function-stream-alo", "rate", 0.9),
    Target(
        "pass-through, at-least-once, against librdkafka alone, plain", "pass-through", "function-stream-alo", "librdkafka", "rate", 0.8
    ),
    Target(
        "pass-through, exactly-once, against librdkafka alone, transactional", "pass-through", OURS, "librdkafka-transactional", "rate", 0.8
    ),
    Target("many keys, against native Python with RocksDB", "kv-heavy", OURS, "confluent-transactional", "rate", 1.5),
)


def table(workload: str, summaries: Sequence[Summary], versions: Mapping[str, str], missing: Mapping[str, str]) -> list[str]:
    """Markdown. Systems that could not run have a row with the reason."""
    rows = {one.system: one for one in summaries if one.workload == workload}
    ours = rows.get(OURS)
    lines = [
        "| system | version | after a crash | messages/s | slowest to fastest run | Function Stream's rate is | CPU µs a message "
        "| memory MiB | lost / repeated / wrong |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for key in [*rows, *(key for key in missing if key not in rows and workload == "metric")]:
        system = SYSTEMS[key]
        begin = f"| {system.title} | {versions.get(key, '')} | {system.promise} "
        row = rows.get(key)
        if row is None:
            lines.append(f"{begin}| not run: {_cell(missing[key])} | | | | | |")
        elif row.rate is None:
            reason = row.failures[0].splitlines()[0] if row.failures else "too few outputs to tell"
            lines.append(f"{begin}| failed: {_cell(reason)} | | | | | {row.lost} / {row.duplicates} / {row.wrong} |")
        else:
            ratio = f"{ours.rate / row.rate:.2f} times" if ours is not None and ours.rate is not None else ""
            failed = f" ({len(row.failures)} of {row.runs} runs failed)" if row.failures else ""
            lines.append(
                f"{begin}| {row.rate:,.0f}{failed} | {row.slowest:,.0f} to {row.fastest:,.0f} | {ratio} "
                f"| {_number(row.cpu_us, 2)} | {_number(row.memory_mib, 0)} | {row.lost} / {row.duplicates} / {row.wrong} |"
            )
    return lines


def targets(summaries: Sequence[Summary]) -> list[str]:
    """Markdown, of those for which there is something to compare."""
    lines = ["| MetricProcessor unless said otherwise | asked | measured | |", "|---|---:|---:|---|"]
    for target in TARGETS:
        measured = target.measured(summaries)
        if measured is not None:
            sign = "≤" if target.figure == "cpu_us" else "≥"
            lines.append(
                f"| {target.about} | {sign} {target.limit:g} | {measured:.2f} | {'reached' if target.is_reached(measured) else 'missed'} |"
            )
    return lines


def load_note(results: Sequence[Result], cores: str) -> str:
    """How quiet the machine was, in words that a reader can weigh the figures by."""
    others = [one.others_cores for one in results]
    if not others:
        return "Nothing was measured."
    median, most = statistics.median(others), max(others)
    begin = f"Other programs kept {median:.2f} of the {cores} cores busy in the median run, {most:.2f} in the worst"
    if median < 0.05 and most < 0.2:
        return f"{begin}: the machine was quiet."
    return f"{begin}: **the machine was not quiet. Rates are lower than they could be, and ratios less certain; take them as provisional.**"


def document(
    results: Sequence[Result],
    machine: Mapping[str, str],
    date: str,
    command: str,
    versions: Mapping[str, str],
    missing: Mapping[str, str],
    latency: Sequence[str],
) -> str:
    """The whole of docs/benchmarks.md."""
    summaries = summarize(results)
    rounds = max((one.runs for one in summaries), default=0)
    lines = [
        "# Benchmarks",
        "",
        f"Written by `{command}`, {date}; do not edit.",
        f"Machine: {machine['cores']} cores ({machine['cpu']}), {machine['memory']} of memory, {machine['system']}.",
        load_note(results, machine["cores"]),
        "",
        f"One Kafka broker on the same machine, one partition, the same messages for all, {rounds} rounds in turn, medians.",
        "A rate is taken between the first and the last tenth of the messages, by the time at which the broker appended the outputs, so",
        "that neither start nor end counts; CPU is that of the system's whole process tree within the same part, without the broker's;",
        "memory is the most that its processes had resident together. Every output is read back (`read_committed`) and compared with",
        "what it should be. Systems run with their defaults but for the commit interval; [bench/peers](../bench/peers/README.md) has the",
        "programs and how to run them.",
        "",
        "## Every system: MetricProcessor",
        "",
        f"{WORKLOADS['metric'].about}.",
        "",
        *table("metric", summaries, versions, missing),
    ]
    others = [name for name in WORKLOADS if name != "metric" and any(one.workload == name for one in summaries)]
    if others:
        lines += ["", "## Other work, against the same class in native Python", ""]
    for name in others:
        lines += [f"### {name}", "", f"{WORKLOADS[name].about}.", "", *table(name, summaries, versions, {}), ""]
    lines += ["", "## What was asked for", "", *targets(summaries)]
    if latency:
        lines += ["", "## Latency", "", *latency]
    failures = [(one, failure) for one in summaries for failure in one.failures]
    if failures:
        lines += ["", "## Failures", ""]
        for one, failure in failures:
            lines += [f"{SYSTEMS[one.system].title}, {one.workload}:", "", "```", *failure.splitlines(), "```", ""]
    return "\n".join(lines).replace("\n\n\n", "\n\n").rstrip() + "\n"


def latency_table(printed: str) -> list[str]:
    """Markdown, of the line of JSON at the end of what bench/latency.py prints: milliseconds by what was measured and percentile."""
    try:
        figures = json.loads(printed.splitlines()[-1])
    except (ValueError, IndexError):
        return ["Not measured: bench/latency.py printed no figures."]
    percentiles = list(dict.fromkeys(name for row in figures.values() for name in row))
    lines = [
        "Milliseconds, clients included: a message alone to an idle function, each of 5,000 a second, and a function from its creation.",
        "",
        f"| | {' | '.join(percentiles)} |",
        f"|---|{'---:|' * len(percentiles)}",
    ]
    for what, row in figures.items():
        lines.append(f"| {what} | {' | '.join(_number(row.get(name), 2) for name in percentiles)} |")
    return lines


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")[:200]
