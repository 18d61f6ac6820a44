"""What the comparison with peers calls lost, repeated and wrong."""

import json

import pytest
from peers.driver import documents, events, key_values
from peers.driver.verify import due, verify
from peers.driver.workloads import WORKLOADS

COUNT = 500


def right_totals(count=COUNT):
    total = 0
    for i in range(count):
        total += events.value_of(i)
        yield json.dumps({"metric": "user_click", "total": total}).encode()


def at_times(values):
    return [(float(n), value) for n, value in enumerate(values)]


def counts(verdict):
    return verdict.outputs, verdict.lost, verdict.duplicates, verdict.wrong


def test_all_right_totals_are_exact():
    verdict = verify(at_times(right_totals()), events.Totals(COUNT), COUNT)
    assert verdict.is_exact
    assert verdict.appended == [(float(n), n + 1) for n in range(COUNT)]


def test_a_lost_output_is_counted_once():
    values = list(right_totals())
    del values[100:103]
    assert counts(verify(at_times(values), events.Totals(COUNT), COUNT)) == (COUNT - 3, 3, 0, 0)


def test_a_repeated_output_is_no_progress():
    values = list(right_totals())
    verdict = verify(at_times(values[:200] + values[150:]), events.Totals(COUNT), COUNT)
    assert counts(verdict) == (COUNT + 50, 0, 50, 0)
    assert len(verdict.appended) == COUNT


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"no json",
        b"[1]",
        b"null",
        b'{"total": 1}',
        b'{"metric": "user_click", "total": "1"}',
        b'{"metric": "user_click", "total": [1]}',
        b'{"metric": "other", "total": %d}' % events.value_of(0),
        b'{"metric": "user_click", "total": 0}',
    ],
)
def test_what_no_workload_has_is_wrong(value):
    verdict = verify(at_times([*right_totals(), value]), events.Totals(COUNT), COUNT)
    assert counts(verdict) == (COUNT + 1, 0, 0, 1)


def test_a_count_that_lost_an_event_is_wrong_from_there_on():
    missed = events.value_of(250)
    values = [
        json.dumps({"metric": "user_click", "total": json.loads(value)["total"] - (missed if i >= 250 else 0)}).encode()
        for i, value in enumerate(right_totals())
    ]
    verdict = verify(at_times(values), events.Totals(COUNT), COUNT)
    assert verdict.lost > 0
    assert verdict.lost == verdict.wrong + verdict.duplicates


def test_outputs_beyond_the_run_are_left_out():
    verdict = verify(at_times(right_totals()), events.Totals(COUNT), 300)
    assert counts(verdict) == (300, 0, 0, 0)


def test_due_counts_the_outputs_that_so_many_messages_allow():
    assert [due(events.OnePercent(COUNT), messages) for messages in (0, 1, 100, 101, COUNT)] == [0, 1, 1, 2, 5]


def test_events_are_of_sixty_bytes():
    assert {len(one) for one in events.generate(5000)} == {60}


def test_documents_are_of_about_one_and_ten_kib():
    assert all(900 < len(one) < 1100 for one in documents.generate_1k(documents.VARIANTS))
    assert all(9500 < len(one) < 10_700 for one in documents.generate_10k(documents.VARIANTS))


def test_all_counters_are_made_before_the_part_that_counts():
    workload = WORKLOADS["kv-heavy"]
    assert workload.messages >= workload.least >= 20 * key_values.MAKING
    assert len({key for i in range(1000) for key in key_values.keys_of(i)}) > 9900


class Stores(dict):
    """Context and store for a function that runs right here."""

    def __init__(self):
        self.out = []
        self.put_state, self.get_state, self.delete_state = self.__setitem__, self.get, self.__delitem__

    def getOrCreateKVStore(self, name):  # noqa: N802
        return self

    def list_states(self, start, end):
        return sorted(key for key in self if start <= key < end)

    def emit(self, data, channel=0):
        self.out.append(data)


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_function_of_each_workload_gives_what_is_expected(name):
    workload = WORKLOADS[name]
    count = {"kv-heavy": key_values.MAKING + 300}.get(name, 3000)
    namespace = {}
    exec(compile(workload.source.read_text(), str(workload.source), "exec"), namespace)
    function, context = namespace[workload.class_name](), Stores()
    function.init(context, {"metric_name": "user_click"})
    for value in workload.generate(count):
        function.process(context, 0, value)
    expectation = workload.expect(count)
    verdict = verify(at_times(context.out), expectation, count)
    assert verdict.is_exact
    assert verdict.outputs == len(expectation.positions) > 0
    # And one that is changed is noticed.
    changed = (
        context.out[len(context.out) // 2]
        .replace(b'"total": ', b'"total": 1')
        .replace(b'"sum": ', b'"sum": 1')
        .replace(b'"count": ', b'"count": 1')
    )
    changed = changed.replace(b'"value": ', b'"value":  ') if name in ("pass-through", "filter") else changed
    verdict = verify(at_times([changed]), expectation, count)
    assert (verdict.wrong, verdict.lost) == (1, len(expectation.positions))
