"""The seeds of GLOROTLAB_TEST_SEED, in the manner of scikit-learn (``sklearn/tests/random_seed.py``).

A test that takes the fixture ``test_seed`` must pass for every seed from 0 to 99. It runs with seed 0 where the
environment names none, with the seed or the range it names (``7``, ``0-9``), with all hundred for ``all`` and with one
drawn at random for ``any``.
"""

import random
import re

SEEDS = range(100)


def test_seeds(text):
    """Return the seeds that a text stands for; ValueError where it stands for none."""
    if text is None:
        return [0]
    if text == "any":
        return [random.choice(SEEDS)]  # noqa: S311
    if text == "all":
        return list(SEEDS)
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    seeds = range(int(match[1]), int(match[2] or match[1]) + 1) if match else range(0)
    if not seeds or not set(seeds) <= set(SEEDS):
        raise ValueError(f"GLOROTLAB_TEST_SEED={text!r}: allowed are any, all, a number or a range such as 0-9, to 99")
    return list(seeds)


test_seeds.__test__ = False
