"""Write the list of slow tests, given the file that ``pytest --junitxml`` wrote of all tests on a quiet machine."""

import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

LIST = Path(__file__).with_name("slow_tests.txt")

SECONDS = 0.35
"""A test is slow where all its cases together take this long."""


def slow_tests(file):
    """Return the slow tests of a JUnit file, ``folder/file.py::test``."""
    seconds = Counter()
    for case in ElementTree.parse(file).iter("testcase"):  # noqa: S314 (a file of our own)
        folder = case.get("classname").removeprefix("tests.").replace(".", "/")
        function = re.sub(r"\[.*", "", case.get("name"), flags=re.DOTALL)
        seconds[f"{folder}.py::{function}"] += float(case.get("time"))
    return sorted(test for test, time in seconds.items() if time >= SECONDS)


if __name__ == "__main__":
    LIST.write_text("".join(f"{test}\n" for test in slow_tests(sys.argv[1])), encoding="utf-8")
