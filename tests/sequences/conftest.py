"""Each day staged here is executed again from its journal."""

from tests.journals import _journals_replay

__all__ = ["_journals_replay"]
