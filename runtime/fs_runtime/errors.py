"""What makes a package unfit, before any of its code has raised."""


class BadPackage(Exception):
    """The package cannot become a function; the message says what is wrong, where, and what to do."""
