"""Journals: where the shell writes before it acts."""
