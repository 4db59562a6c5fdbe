"""Fail when a test run skipped what it must not skip.

A skip is right on a machine that lacks what the test needs, and wrong where it is there: then a
green run would say less than it seems to.

usage: python tools/check_skips.py JUNIT_XML [WORDS ...]      (WORDS: no reason may contain them)
"""

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree


def skip_reasons(report: Path) -> list[tuple[str, str]]:
    """Return (test, reason) for every skipped test of a JUnit report, without expected failures."""
    found = []
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        for skipped in case.iter("skipped"):
            if skipped.get("type") != "pytest.xfail":
                name = f"{case.get('classname', '')}::{case.get('name', '')}"
                found.append((name, skipped.get("message") or skipped.text or ""))
    return found


def main(arguments: list[str]) -> int:
    """Print the reasons of all skips; 1 when one of them holds a forbidden word."""
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    skips = skip_reasons(Path(arguments[0]))
    for reason, count in sorted(Counter(reason for _, reason in skips).items()):
        print(f"skipped {count}: {reason}")
    wrong = [
        (test, reason)
        for test, reason in skips
        if any(word.lower() in reason.lower() for word in arguments[1:])
    ]
    for test, reason in wrong:
        print(f"must not be skipped here: {test}: {reason}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
