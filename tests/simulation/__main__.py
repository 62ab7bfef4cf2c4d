"""Lives through histories, each from a seed of its own; ends with 1 at the first that fails."""

import argparse
import itertools
import random
import sys
import time
import traceback

from tests.simulation.runs import failure


def main():
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    parser.add_argument("--seed", type=int, help="one history alone: one that failed")
    parser.add_argument("--first", type=int, help="the first seed; any, where not given")
    parser.add_argument("--keep-going", action="store_true", help="count failures, do not end")
    options = parser.parse_args()
    if options.seed is not None:
        sys.exit(_report(options.seed))
    first = options.first if options.first is not None else random.SystemRandom().randrange(2**32)
    began, failed, count = time.monotonic(), [], 0
    for seed in itertools.count(first):
        if time.monotonic() > began + options.seconds:
            break
        count += 1
        if _report(seed):
            failed.append(seed)
            if not options.keep_going:
                break
    taken_s = time.monotonic() - began
    print(f"{count} histories from seed {first} in {taken_s:.0f} s: {len(failed)} failed {failed}")
    print(f"{count / time.process_time() * 3600:.0f} an hour of one core")
    sys.exit(bool(failed))


def _report(seed):
    """Live through one history; 1 if it failed, and why."""
    try:
        lines = failure(seed)
    except Exception:
        lines = [traceback.format_exc()]
    if lines:
        print(f"seed {seed} failed; again: python -m tests.simulation --seed {seed}")
        print("\n".join(lines[:6]), flush=True)
    return int(bool(lines))


if __name__ == "__main__":
    main()
