"""Function Stream beside its peers: one broker, the same messages, the same work. README.md says how; ./dev bench peers runs it."""
