"""What newcomers write: one strategy as it should be, and others with a bug planted in each.

docs/your-own-strategy.md shows them, and what `simulate` says of them; test_newcomers.py runs the page.
"""
