"""What every test shares: how hypothesis searches.

`HYPOTHESIS_PROFILE=deep make test` looks much longer. Under continuous integration the search is the same in
each run, so that a failure there is about the change and can be repeated.

What a test has to say beside passing (`record_property("told", ...)`) is shown with -v.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("deep", deadline=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say with -v what tests have told, such as how far a search went."""
    if terminalreporter.verbosity < 1:
        return
    for report in terminalreporter.stats.get("passed", []):
        for name, text in report.user_properties:
            if name == "told":
                terminalreporter.write_line(text)
