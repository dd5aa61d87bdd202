"""Deterministic simulation: Olaf's own coroutines under virtual time, with the outside world out of reach."""
