"""Recorded markets: reading their files and playing them again on a virtual clock."""
