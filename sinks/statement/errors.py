"""Why there is no statement."""


class StatementError(Exception):
    """A statement cannot be made; one sentence says why and what to do."""
