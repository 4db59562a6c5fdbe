"""Processes that have no more rights to files than the files' modes give them, also under root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

import pytest

TAKEN = ("--bounding-set", "-dac_override,-dac_read_search")


def bound_by_modes(command: Sequence[str]) -> list[str]:
    """The command without root's right to any file; a skip where that cannot be taken from it."""
    if os.geteuid() != 0:
        return list(command)
    program = shutil.which("setpriv")
    if program is None or subprocess.run([program, *TAKEN, "true"], check=False).returncode:
        pytest.skip("root may read and write anywhere")
    return [program, *TAKEN, *command]
