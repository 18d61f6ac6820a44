"""Functions that try to harm: to get out of the sandbox, to take more than their share, to make the server fall or lie."""
