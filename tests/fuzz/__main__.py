"""Runs every fuzzer for a while; ends with 1 at the first input that fails or takes too long."""

import argparse
import random
import sys
import time
import traceback

from tests.fuzz.targets import TARGETS

LONGEST_S = 2.0
"""One input of at most some 100 kB; a quadratic reader takes far longer."""


def main():
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=60, help="for all fuzzers together")
    parser.add_argument("--seed", type=int, default=None, help="repeats a run that failed")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    for target in TARGETS:
        count, longest = 0, 0.0
        ends = time.monotonic() + options.seconds / len(TARGETS)
        while time.monotonic() < ends:
            chance = random.Random(f"{seed} {target.__name__} {count}")
            began = time.process_time()
            try:
                target(chance)
            except Exception:
                traceback.print_exc()
                sys.exit(f"{target.__name__} failed at input {count} of seed {seed}")
            longest = max(longest, time.process_time() - began)
            if longest > getattr(target, "longest_s", LONGEST_S):
                sys.exit(f"{target.__name__} took {longest:.1f} s for input {count} of seed {seed}")
            count += 1
        print(f"{target.__name__:<11} {count:>8} inputs, the longest {longest * 1000:.1f} ms")


if __name__ == "__main__":
    main()
