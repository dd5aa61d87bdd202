"""Benchmarks: ratios measured in one run, because the machines that run them are noisy."""
