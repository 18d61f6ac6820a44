"""Functions that the black-box tests upload: each module is a user's own."""
