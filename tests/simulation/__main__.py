"""`python -m tests.simulation --schedules 1000000`: run many schedules, tell the first violation as a story.

`--seed N` tells one schedule; `--mutant NAME` with one rule broken.
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.simulation.campaign import campaign
from tests.simulation.mutants import MUTANTS
from tests.simulation.world import World


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=300_000)
    parser.add_argument("--seconds", type=float, default=0.0, help="go on for at least so long")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, help="tell this schedule")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="tell it with this rule broken")
    wish = parser.parse_args()
    if wish.seed is not None:
        tell(wish.seed, wish.mutant)
        return 0
    total = campaign(at_least=wish.schedules, seconds=wish.seconds, start=wish.start, workers=wish.workers)
    say(total)
    if total.broken:
        say(f"broken by the seeds {[seed for seed, _ in total.broken]}; the first one:")
        tell(total.broken[0][0], None)
    return bool(total.broken)


def tell(seed: int, mutant: str | None) -> None:
    say(f"seed {seed}" + (f", mutant {mutant}" if mutant else ""))
    broken = MUTANTS.get(mutant or "")
    for line in World.traced(seed, broken.kit, broken.mix) if broken else World.traced(seed):
        say(line)


def say(what: object) -> None:
    sys.stdout.write(f"{what}\n")


if __name__ == "__main__":
    sys.exit(main())
