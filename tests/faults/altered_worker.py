"""The real worker with something of the test's own around one of its calls."""

import sys
from contextlib import contextmanager

from mailsla.sinks.embedded.children import Child, Running


@contextmanager
def altered_worker(stack, kind, code, *arguments, **settings):
    """A worker of a kind that runs some Python code first; ``sys.argv[3:]`` are the arguments."""
    own = {f"MAILSLA_{name.upper()}": value for name, value in settings.items()}
    variables = {**stack.variables, "MAILSLA_SESSION_TIMEOUT_S": "6", **own}
    start = "import sys\narguments = sys.argv[3:]\ndel sys.argv[3:]\n"
    end = "\nfrom mailsla.streams.cli.main import main\nmain()\n"
    argv = (sys.executable, "-c", start + code + end, "worker", kind, *arguments)
    running = Running(Child(f"altered-{kind}", argv, variables), stack.logs)
    try:
        yield running
    finally:
        running.stop()
