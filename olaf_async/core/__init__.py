"""The pure machine: events in, intents out. No I/O, no clock, no chance, no logging."""
