"""All safeties of the engine. The list is closed: a guard that is not in it fails its test."""

from .safeties_of_entries import ENTERED
from .safeties_of_orders import HEARD, PROTECTED, SENT

SAFETIES = (*SENT, *HEARD, *PROTECTED, *ENTERED)
