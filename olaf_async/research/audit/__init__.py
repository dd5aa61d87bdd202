"""Whether a day was safe, judged by what the broker wrote down and not by what the engine believed.

Shares no code with the engine's own reckoning: a mistake there must show here. Pure; who reads the books is
above.
"""
