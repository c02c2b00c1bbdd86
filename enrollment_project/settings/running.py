"""Where this folder's stack runs: commands in other terminals find what `PORT=8330 make run` started in one."""

import fcntl
import json
import os
from pathlib import Path

NAMES = ("PORT", "SANDBOX_PORT")


def follow_running_stack(var: Path) -> None:
    """Use the ports of the stack that runs on this folder's data, unless the environment names a port itself.

    A running stack holds a lock on its file; an unlocked file was left behind by a stack that was killed.
    """
    if any(name in os.environ for name in NAMES):
        return
    try:
        with (var / "running").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                said = json.load(file)
                os.environ.update({name: str(int(said[name])) for name in NAMES})
    except (OSError, ValueError, KeyError, TypeError):
        return  # no stack, or one that is just starting
