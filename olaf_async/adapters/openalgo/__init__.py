"""The OpenAlgo server as broker and feed. Nothing here decides what to trade or what an answer proves."""
