"""Puts Olaf together: the only package that knows the settings and every adapter.

``rules`` is what every way to run it shares; each other module is one way.
"""
