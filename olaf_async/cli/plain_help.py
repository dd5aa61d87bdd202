"""Verbs whose --help shows itself as the plain flag it is, and not as one that takes a ``<bool>``."""

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption


class Verb(TyperCommand):
    """One verb."""

    def get_help_option(self, ctx: typer.Context) -> TyperOption | None:  # type: ignore[override]  # typer's own are these
        """As typer makes it, without a type."""
        return _untyped(super().get_help_option(ctx))


class Verbs(TyperGroup):
    """A verb that has verbs of its own."""

    def get_help_option(self, ctx: typer.Context) -> TyperOption | None:  # type: ignore[override]  # as above
        """As typer makes it, without a type."""
        return _untyped(super().get_help_option(ctx))


def _untyped(option: TyperOption | None) -> TyperOption | None:
    if option is not None:
        option.metavar = ""
    return option
