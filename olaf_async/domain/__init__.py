"""Values: prices, orders, positions, events, setups, sessions. No I/O, no clock, no randomness."""
