"""Runs each system over the same topic, reads what it wrote, and says how fast and how right it was."""
