"""A second, independent telling of the strategy, and days to judge it on: nothing here imports the engine."""
