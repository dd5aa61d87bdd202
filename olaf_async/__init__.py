"""Olaf: a trading engine for Indian equities that never holds two positions in a symbol nor an unprotected one."""

__version__ = "0.1.0"
