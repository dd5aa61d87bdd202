"""``config``: what the settings are and where each came from, whether they hold, and their schema."""

import json

import typer

from olaf_async.cli.invocation import Invocation
from olaf_async.cli.options import AsJson, Config, Sets
from olaf_async.cli.plain_help import Verb, Verbs

config_verbs = typer.Typer(cls=Verbs, help="The settings: shown, checked, described.", no_args_is_help=True)


@config_verbs.command(cls=Verb)
def show(
    context: typer.Context, *, config: Config = None, sets: Sets = None, as_json: AsJson = False
) -> None:
    """Every setting, its value and where that came from. Secrets stay hidden."""
    from olaf_async.settings import describe

    invocation = context.ensure_object(Invocation)
    rows = describe(invocation.load(config, sets))
    if as_json:
        shown = {row.key: {"value": row.value, "origin": row.origin} for row in rows}
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("setting", overflow="fold")
    table.add_column("value", overflow="fold")
    table.add_column("from", overflow="fold")
    for row in rows:
        is_default = row.origin == "default"
        style = "dim" if is_default else "bold"
        table.add_row(Text(row.key), Text(row.value, style=style), Text(row.origin, style="dim"))
    invocation.console.print(table)


@config_verbs.command(cls=Verb)
def check(context: typer.Context, config: Config = None, sets: Sets = None) -> None:
    """Read the settings and say every problem they have; exit code 3 where there is one."""
    from olaf_async.settings import check_live, known_keys

    settings = context.ensure_object(Invocation).load(config, sets)
    if settings.mode == "live":
        check_live(settings)
    origins = sorted({settings.origin(key) for key in known_keys()} - {"default"})
    typer.echo(f"The settings are fine; set by: {', '.join(origins) or 'nobody, all are defaults'}.")


@config_verbs.command(cls=Verb)
def schema() -> None:
    """The JSON schema of the settings file, for editors that complete and check TOML."""
    from olaf_async.settings import schema as settings_schema

    typer.echo(json.dumps(settings_schema(), indent=2))
