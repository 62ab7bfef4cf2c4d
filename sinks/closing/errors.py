"""What stops a closing; each is one sentence with the remedy."""


class ClosingError(Exception):
    """A month cannot be closed now."""


class MonthNotOverError(ClosingError):
    """The month still runs in some tenant's time zone."""


class ClosingInProgressError(ClosingError):
    """Another closing of the same month is at work."""
