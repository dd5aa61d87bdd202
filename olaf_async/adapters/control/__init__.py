"""A running engine asked from outside: a local socket, its server in the engine, its client in the verbs."""
