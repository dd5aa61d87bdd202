"""What a safety is: a claim, why it is made, where it stands in the code, and a search that misses it.

What is taken out is taken out in tests only; the shipped engine has no switch. Where another wall stands
behind a safety, both are taken out together, and the pair is what is proven.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from tests.races.walls import Walls, without_entry_guards

from .scenarios import Race

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@dataclass(frozen=True)
class Safety:
    """``claim`` in one sentence, why it is there, where it is in the code, and how it is missed."""

    number: str
    claim: str
    why: str
    where: str
    race: Race
    behind: str = ""
    """The other walls that had to be taken out too, where it is not the only one."""
    alone: Walls | None = None
    """Where others stand behind it: the engine without it only, in which nothing breaks."""
    guards: tuple[str, ...] = ()
    """The names of the guard table that this is about."""

    @property
    def tape(self) -> Path:
        """The schedule that breaks without it."""
        return GOLDEN / f"{self.number}.jsonl"


def without(*names: str, **others: object) -> Walls:
    """The engine without these entry guards, and with others in the place of these of the table."""
    return {"guards": replace(without_entry_guards(*names), **others)}  # type: ignore[arg-type] # names
