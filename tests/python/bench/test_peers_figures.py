"""How rates and CPU are taken from what was seen of a run, and how they are told."""

import pytest
from peers.driver.environments import reason_in
from peers.driver.figures import Sample, Window, cpu_per_message_us, window_of
from peers.driver.machine import Usage
from peers.driver.measure import Result, messages_for
from peers.driver.report import TARGETS, document, latency_table, load_note, summarize, targets
from peers.driver.systems import SYSTEMS, systems_for
from peers.driver.workloads import WORKLOADS


def test_the_rate_is_that_between_the_first_and_the_last_tenth():
    # A slow start and a slow end, 1,000 messages a second between them.
    appended = [(n * 0.1, n) for n in range(1, 100)]
    appended += [(10 + n / 1000, 100 + n) for n in range(801)]
    appended += [(11 + n, 901 + n) for n in range(100)]
    window = window_of(appended, 1000)
    assert window == Window(10.0, 10.8, 800)
    assert window.rate == pytest.approx(1000)


def test_outputs_of_many_messages_each_count_the_messages():
    window = window_of([(n, n * 100) for n in range(1, 11)], 1000)
    assert (window.messages, window.rate) == (800, 100)


@pytest.mark.parametrize("appended", [[], [(1.0, 50)], [(1.0, 100)], [(1.0, 100), (1.0, 900)], [(1.0, 899), (2.0, 899)]])
def test_too_few_outputs_give_no_rate(appended):
    assert window_of(appended, 1000) is None


def test_cpu_is_taken_within_the_window_only():
    samples = [Sample(0, 0), Sample(1, 5), Sample(2, 6), Sample(3, 7), Sample(4, 20)]
    assert cpu_per_message_us(samples, Window(1, 3, 1_000_000)) == pytest.approx(2)
    assert cpu_per_message_us(samples, Window(1.5, 2.5, 1_000_000)) == pytest.approx(1)


@pytest.mark.parametrize("window", [Window(-1, 3, 10), Window(1, 5, 10)])
def test_cpu_is_not_told_where_the_samples_do_not_cover_the_window(window):
    assert cpu_per_message_us([Sample(0, 0), Sample(4, 4)], window) is None


def test_what_others_use_is_what_is_left():
    before, after = Usage(10, 100, 50), Usage(14, 106, 51)
    assert after.cores_of_others_since(before, 3) == pytest.approx(0.5)
    assert after.cores_of_others_since(before, 30) == 0


def result(system, rate, workload="metric", **other):
    return Result(system, workload, 1000, rate=rate, cpu_us=1e6 / rate if rate else None, **other)


def test_rounds_become_medians_and_their_faults_are_added_up():
    results = [result("faust", rate, lost=1, duplicates=2) for rate in (100, 300, 200)]
    (summary,) = summarize(results)
    assert (summary.rate, summary.slowest, summary.fastest, summary.lost, summary.duplicates, summary.wrong) == (200, 100, 300, 3, 6, 0)


def test_a_failed_round_has_no_part_in_the_rate():
    (summary,) = summarize([result("faust", 100), result("faust", 900, failure="it ended with code 1")])
    assert (summary.rate, summary.failures) == (100, ("it ended with code 1",))


def test_targets_are_ratios_of_medians():
    results = [result("function-stream", 3000), result("confluent-transactional", 1000), result("kafka-streams", 2000)]
    lines = targets(summarize(results))
    assert "| rate against the transactional confluent-kafka loop | ≥ 2.5 | 3.00 | reached |" in lines
    assert "| CPU a message against the same | ≤ 0.4 | 0.33 | reached |" in lines
    assert "| rate against Kafka Streams, exactly-once v2 | ≥ 3 | 1.50 | missed |" in lines
    assert len(lines) == 5


def test_every_target_names_systems_that_run_that_workload():
    for target in TARGETS:
        assert {target.ours, target.peer} <= set(systems_for(target.workload))


def test_a_peer_that_could_not_be_had_stands_in_the_table_with_its_reason():
    machine = {"cores": "2", "cpu": "a CPU", "memory": "8 GiB", "system": "Debian"}
    results = [result("function-stream", 3000), result("bytewax", None, failure="no new output for 60 s; the end of its log:\nTraceback")]
    text = document(
        results, machine, "today", "./dev bench peers", {"function-stream": "1.0"}, {"flink": "flink: no wheel | for this Python"}, []
    )
    assert "| PyFlink, exactly-once, 1 s |  | exactly once | not run: flink: no wheel \\| for this Python |" in text
    assert "failed: no new output for 60 s" in text
    assert "Traceback" in text
    assert "| 3,000 |" in text


def test_the_load_of_the_machine_is_told():
    assert "was quiet" in load_note([result("faust", 100, others_cores=0.01)], "2")
    assert "not quiet" in load_note([result("faust", 100, others_cores=1.2)], "2")


def test_slow_systems_get_their_share_of_the_messages():
    metric, windows = WORKLOADS["metric"], WORKLOADS["windows"]
    assert messages_for(SYSTEMS["function-stream"], metric, 600_000) == 600_000
    assert messages_for(SYSTEMS["faust"], metric, 600_000) == 9000
    assert messages_for(SYSTEMS["faust"], metric, 10_000) == 1000
    assert messages_for(SYSTEMS["confluent-transactional"], windows, 10_000) == 10_000


def test_the_reason_is_the_first_error_of_pip_else_the_last_line():
    assert reason_in("building\nERROR: no wheel\nERROR: failed\ndev: failed\n") == "ERROR: no wheel"
    assert reason_in("dev: none of Python 3.12 is here\n") == "dev: none of Python 3.12 is here"
    assert reason_in("") == "no reason given"


def test_latencies_are_taken_from_the_last_line():
    printed = 'milliseconds   p50   p99\n{"kafka, single": {"p50": 1.234, "p99": 5.6}, "create": {"p50": 1200}}\n'
    assert latency_table(printed)[2:] == [
        "| | p50 | p99 |",
        "|---|---:|---:|",
        "| kafka, single | 1.23 | 5.60 |",
        "| create | 1,200.00 |  |",
    ]
    assert "Not measured" in latency_table("Traceback\n")[0]
    assert "Not measured" in latency_table("")[0]
