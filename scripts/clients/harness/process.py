"""A server as a process of its own that ends when it is told to, and also when the process that started it is gone,
however that ended.
"""

import os
import signal
import subprocess
import time

from .tools import Problem

STARTING_SECONDS = 90
STOPPING_SECONDS = 30
LOOK_EVERY_SECONDS = 0.05

# Runs the command line and ends it when the pipe that is its input closes, which the end of any process does.
KEEPER = """
exec 3<&0
"$@" </dev/null &
server=$!
(read -r _ <&3; kill -TERM "$server") 2>/dev/null &
watcher=$!
wait "$server"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
"""


class Process:
    """A running server; leaving its context ends it."""

    def __init__(self, command, folder, environment):
        folder.mkdir(parents=True, exist_ok=True)
        self.name = os.path.basename(command[0])
        self.log = folder / f"{self.name}.log"
        with self.log.open("wb") as log:
            self.keeper = subprocess.Popen(
                ["sh", "-c", KEEPER, "keeper", *command],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C at the terminal is for the run, which then ends its servers one after the other.
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.keeper.stdin.close()
        try:
            self.keeper.wait(STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            # A session of its own: nobody else is in this group.
            os.killpg(self.keeper.pid, signal.SIGKILL)
            self.keeper.wait()

    def said(self):
        """What it has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_until(self, what, look):
        """Asks `look` until it answers with something; a server that is gone or takes too long is a problem."""
        deadline = time.monotonic() + STARTING_SECONDS
        while time.monotonic() < deadline:
            ended = self.keeper.poll() is not None
            found = look()
            if found:
                return found
            if ended:
                break
            time.sleep(LOOK_EVERY_SECONDS)
        raise Problem(f"{self.name} does not {what}:\n{self.said()[-2000:]}")
