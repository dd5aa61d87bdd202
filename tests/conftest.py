"""What every test shares: how hypothesis searches.

`HYPOTHESIS_PROFILE=deep make test` looks much longer. Under continuous integration the search is the same in
each run, so that a failure there is about the change and can be repeated.

What a test has to say beside passing (`record_property("told", ...)`) is said where OLAF_TELL is set, and
what it has to show (`"shown"`, a table) with -v.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("deep", deadline=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what tests have told, such as how far a search went; with -v also what they have to show."""
    is_telling = "OLAF_TELL" in os.environ or terminalreporter.verbosity > 0
    names = {"told": is_telling, "shown": terminalreporter.verbosity > 0}
    for report in terminalreporter.stats.get("passed", []):
        for name, text in report.user_properties:
            if names.get(name):
                terminalreporter.write_line(text)
