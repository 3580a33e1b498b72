"""Runs the clients' programs, shows what they report and counts it. A program reports one line for each check, `ok
<what>` or `failed <what>: <why>`, and ends with exit code 0 when it got to its end; one that does not is a failed
check of its own.
"""

import dataclasses
import os
import signal
import subprocess
import tempfile
import threading

PROGRAM_SECONDS = 300
SHOWN_LINES = 20


@dataclasses.dataclass
class Tally:
    """The checks so far."""

    good: int = 0
    bad: list = dataclasses.field(default_factory=list)

    def passed(self, what):
        """Counts and shows a check that passed."""
        self.good += 1
        print(f"ok      {what}", flush=True)

    def failed(self, what, why=""):
        """Counts and shows a check that failed."""
        self.bad.append(what)
        print(f"failed  {what}{': ' if why else ''}{why}", flush=True)

    def is_good(self):
        """Whether everything passed, and there was something to pass."""
        return self.good > 0 and not self.bad

    def summary(self):
        """One line."""
        return f"{self.good} client checks passed, {len(self.bad)} failed"


def run_all(store, programs, server, tally):
    """Runs the programs one after the other against one server."""
    before = len(tally.bad)
    for program in programs:
        run(f"{store}, {program.name}", program, server, tally)
    if len(tally.bad) > before:
        print("  the server's last lines:")
        show(server.process.said())


def run(name, program, server, tally):
    """Runs one program to its end, or to the end of its time."""
    environment = {**os.environ, **program.environment, **server.environment()}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            program.command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        late = threading.Event()
        watch = threading.Timer(PROGRAM_SECONDS, end, (process, late))
        watch.start()
        try:
            checks, other = read(name, process.stdout, tally)
            code = process.wait()
        finally:
            watch.cancel()
            end(process, threading.Event())
        problem = verdict(code, late.is_set(), checks)
        if problem:
            tally.failed(name, problem)
            errors.seek(0)
            show("\n".join(other) + "\n" + errors.read())


def read(name, lines, tally):
    """Counts what a program reports; returns how many checks that were, and what else it said."""
    checks, other = 0, []
    for line in lines:
        verdict_word, _, what = line.rstrip("\n").partition(" ")
        if verdict_word == "ok":
            tally.passed(f"{name}: {what}")
        elif verdict_word == "failed":
            tally.failed(f"{name}: {what}")
        else:
            other.append(line.rstrip("\n"))
            continue
        checks += 1
    return checks, other


def verdict(code, late, checks):
    """What is wrong with the way a program ended, if anything."""
    if late:
        return f"not done after {PROGRAM_SECONDS} seconds"
    if code != 0:
        return f"ended with exit code {code}"
    return None if checks else "checked nothing"


def end(process, late):
    """Ends a program that still runs, and whatever it started."""
    if process.poll() is None:
        late.set()
        os.killpg(process.pid, signal.SIGKILL)


def show(text):
    """The end of a longer text, indented."""
    for line in text.strip().splitlines()[-SHOWN_LINES:]:
        print(f"  | {line}", flush=True)
