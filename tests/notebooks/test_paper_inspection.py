"""The notebook runs on a fresh kernel, shows what the run gave, and works on somebody's own data."""

import ast
import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Protocol

import pytest

from olaf_async.app import replay, rules
from olaf_async.domain.price import to_text
from olaf_async.research.charts import trade_charts
from olaf_async.research.paper_day import PAPER_DAY, SAMPLE
from olaf_async.research.results import RunResult
from olaf_async.research.tables import ORDER_COLUMNS, TRADE_COLUMNS, orders_csv, trades_csv
from olaf_async.settings import Settings, load_settings
from tests.made_market import ALPHA_ROW, BETA_ROW, TUESDAY_ROW, write_market, write_setups_file

MISSING = "the extra 'notebook' of olaf-async is not installed"
for needed in ("ipykernel", "pandas"):
    pytest.importorskip(needed, reason=MISSING)
nbclient = pytest.importorskip("nbclient", reason=MISSING)
nbformat = pytest.importorskip("nbformat", reason=MISSING)

ROOT = Path(__file__).resolve().parent.parent.parent
NOTEBOOK = ROOT / "notebooks" / "paper_inspection.ipynb"
PLOTLY = "application/vnd.plotly.v1+json"


class Cell(Protocol):
    """What is asked of a cell."""

    id: str
    cell_type: str
    source: str
    execution_count: int | None
    outputs: list[dict[str, Any]]


def cells(notebook: Any) -> dict[str, Cell]:  # noqa: ANN401 -- nbformat ships no types
    return {cell.id: cell for cell in notebook.cells}


def read() -> Any:  # noqa: ANN401
    return nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT)


@pytest.fixture
def lonely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; the kernel keeps its own files there too, and its warnings are errors."""
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    for name in [name for name in os.environ if name.startswith("OLAF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONWARNINGS", "error:::__main__")
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def executed(notebook: Any, folder: Path) -> dict[str, Cell]:  # noqa: ANN401
    """The cells of a notebook after a fresh kernel has run them all, none of which may fail or complain."""
    client = nbclient.NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    ran = cells(await client.async_execute())
    complaints = [output for cell in ran.values() for output in shown(cell) if output.get("name") == "stderr"]
    assert complaints == []
    return ran


def shown(cell: Cell) -> list[dict[str, Any]]:
    return cell.outputs if cell.cell_type == "code" else []


def printed(cell: Cell) -> list[str]:
    return "".join(output["text"] for output in shown(cell) if output["output_type"] == "stream").splitlines()


def charts(cell: Cell) -> list[dict[str, Any]]:
    return [output["data"][PLOTLY] for output in shown(cell) if PLOTLY in output.get("data", {})]


class _Table(HTMLParser):
    """The rows of the table pandas shows, as text."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._is_in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._is_in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._is_in_cell = self._is_in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._is_in_cell:
            self.rows[-1][-1] += data


def table(cell: Cell) -> list[dict[str, str]]:
    """What the last line of a cell shows, row by row, without pandas' own numbers of rows."""
    (html,) = (output["data"]["text/html"] for output in shown(cell) if "text/html" in output.get("data", {}))
    parser = _Table()
    parser.feed(html)
    header, *rows = parser.rows
    return [dict(zip(header[1:], row[1:], strict=True)) for row in rows]


def from_csv(text: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    header, *lines = text.splitlines()
    assert header == ",".join(columns)
    return [dict(zip(columns, line.split(","), strict=True)) for line in lines]


def narrow(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Rows as they are shown: the time of day to the millisecond, headings with blanks."""
    return [
        {
            name.replace("_", " "): cell[11:23] if name.endswith("time") else cell
            for name, cell in row.items()
            if name != "order_id"
        }
        for row in rows
    ]


def paper_day() -> tuple[Settings, RunResult, list[dict[str, object]]]:
    """The same day without a notebook: its settings, its result, its charts."""
    settings = load_settings(SAMPLE / "settings.toml")
    bars = replay.Bars(SAMPLE / "bars")
    setups = [s for s in rules.load_setups(settings, SAMPLE / "setups.csv") if s.entry_date == PAPER_DAY]
    result = replay.run_replay(settings, bars, setups)
    return (
        settings,
        result,
        list(trade_charts(result, replay.open_prices(settings, bars), settings.session.zone)),
    )


# -------------------------------------------------------------------------------- as it is kept


def test_the_notebook_is_kept_without_outputs_for_any_python() -> None:
    notebook = read()
    nbformat.validate(notebook)
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    code = [cell for cell in cells(notebook).values() if cell.cell_type == "code"]
    assert len(code) > 5
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert [cell.id for cell in notebook.cells if cell.metadata] == []


def test_the_day_is_awaited_on_the_notebooks_own_loop() -> None:
    sources = "\n".join(cell.source for cell in cells(read()).values() if cell.cell_type == "code")
    tree = compile(sources, "notebook", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert isinstance(tree, ast.Module)
    outside = [node for node in tree.body if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    assert any(isinstance(each, ast.Await) for node in outside for each in ast.walk(node))
    assert not any(word in sources for word in ("asyncio.run", "thread", "Thread", "nest_asyncio"))


# -------------------------------------------------------------------------------- as it runs


async def test_on_a_fresh_kernel_it_shows_the_paper_day_as_it_is_without_a_notebook(lonely: Path) -> None:
    settings, result, expected_charts = paper_day()
    ran = await executed(read(), lonely)

    zone = settings.session.zone
    trades = table(ran["trades"])
    assert len(trades) == len(result.trades) == 2
    assert trades == narrow(from_csv(trades_csv(result.trades, zone), TRADE_COLUMNS))
    assert table(ran["orders"]) == narrow(from_csv(orders_csv(result.orders, zone), ORDER_COLUMNS))

    drawn = charts(ran["charts"])
    assert len(drawn) == len(result.trades)
    for chart, expected in zip(drawn, expected_charts, strict=True):
        assert chart["layout"]["title"]["text"] == expected["layout"]["title"]["text"]  # type: ignore[index]
        assert [trace["name"] for trace in chart["data"]] == [trace["name"] for trace in expected["data"]]  # type: ignore[attr-defined]

    setups = {(row["symbol"], row["setup level"], row["undercut"]) for row in table(ran["setups"])}
    assert setups == {("FEDERALBNK", "147.40", "147.90"), ("FORTIS", "108.80", "109.30")}
    assert f"{to_text(result.net)} after charges" in printed(ran["run"])[1]
    safety = table(ran["safety"])
    assert [row["is so"] for row in safety] == ["True"] * len(safety)
    assert [row["measured"] for row in safety if row["what"] == "stops accepted at the first try"] == ["2"]
    (same_bars,) = (
        row for row in table(ran["whatif"]) if row["bar, s"] == str(settings.strategy.trail_bar_s)
    )
    assert same_bars["net"] == to_text(result.net)


async def test_pointed_at_ones_own_ticks_setups_and_settings_it_shows_those(lonely: Path) -> None:
    write_market(lonely / "ticks")
    write_setups_file(lonely / "setups.csv", ALPHA_ROW, BETA_ROW, TUESDAY_ROW)
    (lonely / "settings.toml").write_text("[risk]\nquantity = 7\n", encoding="utf-8")
    notebook = read()
    choice = cells(notebook)["choice"]
    own = {
        "PRICES": 'olaf.Ticks(Path("ticks"))',
        "SETUPS": 'Path("setups.csv")',
        "SETTINGS": "None",
        "DAY": "None",
    }
    lines = choice.source.splitlines()
    for name, value in own.items():
        (place,) = (number for number, line in enumerate(lines) if line.startswith(f"{name} = "))
        lines[place] = f"{name} = {value}"
    choice.source = "\n".join(["from pathlib import Path", *lines])

    ran = await executed(notebook, lonely)
    told = [
        (row["symbol"], row["quantity"], row["entry price"], row["exit price"], row["exit reason"])
        for row in table(ran["trades"])
    ]
    assert told == [
        ("ALPHA", "7", "100.00", "99.00", "stop"),
        ("BETA", "7", "200.00", "201.00", "session_end"),
    ]
    assert len(charts(ran["charts"])) == 2
    assert len(table(ran["setups"])) == 3
