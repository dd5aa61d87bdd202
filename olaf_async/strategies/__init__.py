"""Strategies: pure rules that say where to enter, where the stop belongs and when it may rise."""
