"""The table of steps: every step in its place, nothing wider than the page."""

import io

from rich.console import Console

from olaf_async.sim.table import Step, plain, rich_table, time_of_day

NINE_NS = 1_763_955_000_000_000_000
"""24 November 2025, 09:00:00 in India."""
MS = 1_000_000

STEPS = [
    Step(NINE_NS, "core", "wants an order"),
    Step(NINE_NS, "desk", "sends it"),
    Step(NINE_NS + 20 * MS, "exchange", "has taken it"),
    Step(NINE_NS + 500 * MS, "core", "hears of it"),
]


def test_each_step_is_a_row_in_the_column_of_its_task() -> None:
    assert plain(STEPS).splitlines() == [
        "time          core            desk      exchange",
        "------------  --------------  --------  ------------",
        "09:00:00.000  wants an order",
        "                              sends it",
        "09:00:00.020                            has taken it",
        "09:00:00.500  hears of it",
    ]


def test_columns_asked_for_come_first_where_they_did_anything() -> None:
    assert plain(STEPS, columns=("desk", "nobody")).splitlines()[0] == (
        "time          desk      core            exchange"
    )


def test_what_came_before_the_last_steps_is_counted() -> None:
    lines = plain(STEPS, last=1).splitlines()
    assert lines[2:] == ["... 3 earlier steps", "09:00:00.500  hears of it"]


def test_long_texts_are_folded_so_that_no_line_is_wider_than_the_page() -> None:
    steps = [Step(NINE_NS, f"task {number}", "a long story " * 9) for number in range(5)]
    text = plain(steps, width=100)
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("story") == 45


def test_the_same_rows_stand_in_the_table_for_a_terminal() -> None:
    shown = io.StringIO()
    Console(file=shown, width=120).print(rich_table(STEPS, title="[not markup] a race", last=3))
    text = shown.getvalue()
    for step in STEPS[1:]:
        assert step.text in text
    assert STEPS[0].text not in text


def test_time_is_told_as_the_exchange_tells_it() -> None:
    assert time_of_day(NINE_NS + 1_234 * MS) == "09:00:01.234"
