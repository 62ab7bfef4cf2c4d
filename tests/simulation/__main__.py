"""Lives through histories, each from a seed of its own; ends with 1 at the first that fails."""

import argparse
import itertools
import multiprocessing
import os
import random
import sys
import time
import traceback

from tests.simulation.runs import SHARE_A_LOAD, failure


def main():
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    parser.add_argument("--seed", type=int, help="one history alone: one that failed")
    parser.add_argument("--first", type=int, help="the first seed; any, where not given")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many at once")
    parser.add_argument("--keep-going", action="store_true", help="count failures, do not end")
    options = parser.parse_args()
    if options.seed is not None:
        _, lines = _lived(options.seed)
        print("\n".join(lines))
        sys.exit(bool(lines))
    first = options.first if options.first is not None else random.SystemRandom().randrange(2**32)
    sys.exit(_many(first, options))


def _many(first, options):
    """Live through histories for as long as there is time; 1 if one failed."""
    began, failed, count, cpu_s = time.monotonic(), [], 0, 0.0
    print(f"histories from seed {first} on", flush=True)  # also where one never ends
    loads = itertools.count(first // SHARE_A_LOAD)
    context = multiprocessing.get_context("fork")
    with context.Pool(options.processes) as pool:
        under_way = [pool.apply_async(_of_load, (next(loads),)) for _ in range(options.processes)]
        while under_way:
            found, used_s = under_way.pop(0).get()
            count, cpu_s = count + len(found), cpu_s + used_s
            for seed, lines in found:
                if lines:
                    failed.append(seed)
                    print(f"seed {seed} failed; again: make simulate SEED={seed}")
                    print("\n".join(lines[:6]), flush=True)
            has_time = time.monotonic() < began + options.seconds
            if has_time and (options.keep_going or not failed):
                under_way.append(pool.apply_async(_of_load, (next(loads),)))
    taken_s = time.monotonic() - began
    print(f"{count} histories in {taken_s:.0f} s: {len(failed)} failed {failed}")
    per_core = count / cpu_s * 3600
    in_all = f"{options.processes * per_core:,.0f} in all with {options.processes} of them"
    print(f"{count / taken_s * 3600:,.0f} an hour; of a core {per_core:,.0f}, {in_all}")
    return bool(failed)


def _of_load(number):
    """The histories of a load, each with its seed and what is wrong; and the time of a core."""
    began_s = time.process_time()
    seeds = range(number * SHARE_A_LOAD, (number + 1) * SHARE_A_LOAD)
    return [_lived(seed) for seed in seeds], time.process_time() - began_s


def _lived(seed):
    try:
        return seed, failure(seed)
    except Exception:
        return seed, [traceback.format_exc()]


if __name__ == "__main__":
    main()
