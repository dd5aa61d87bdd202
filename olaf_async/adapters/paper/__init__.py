"""The paper broker: a small exchange in integer paise, and the Broker port over it."""
