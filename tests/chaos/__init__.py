"""Kills the server, the broker and everything between, and proves that each message still counts exactly once (README.md)."""
