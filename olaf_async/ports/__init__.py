"""The shapes the shell depends on and the adapters take: Protocols only, nothing that runs."""
