"""The pure codec: bytes to values and back. No I/O, no clock, no memory; the only error is `WireError`."""
