"""The async shell: tasks, locks and deadlines around the pure core. One loop, one pump, one desk.

No decision is taken here. The shell brings the core what has happened, carries out what it wants, and sees
to it that nothing slow ever keeps an event waiting.
"""
