"""One pass of Schemathesis over the description of a server, what it found, and what the server itself has counted.
What it said of a pass with failures is shown, and kept whole in the folder ATTACK_KEEP, if that is set.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys

from harness import rolekeeper
from harness.tools import Problem

HERE = pathlib.Path(__file__).resolve().parent
SECRET = "for this run alone"
PASS_SECONDS = 1_800
SHOWN_CHARACTERS = 20_000

# What is not asked, and why:
# * unsupported_method, allow_header_conformance: a method that a path does not have is "not found" without `Allow`, as
#   in the original API; `tests/api/public.rs` has it.
# * negative_data_rejection, positive_data_acceptance, missing_required_header: the original API coerces what is not of
#   the declared type, and refuses what is (there is no such role); `tests/api/hostile.rs` and `bodies.rs` have it.
# * ignored_auth, object_level_authorization: the attacker's credentials are put on every request of the pass by `world`;
#   `tests/api/authorization*.rs` asks every operation as everybody.
# * use_after_free, ensure_resource_availability: they need links between operations, which OpenAPI can only guess here.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]
PHASES = ["examples", "coverage", "fuzzing"]
# In whose name the passes go, again and again: mostly somebody who gets past the permissions.
CALLERS = ["administrator", "administrator", "user", "nobody"]
# What a pass sends for an operation beside what it generates, about: the examples and the coverage of the schema.
FIXED_REQUESTS = 40
MOST_EXAMPLES = 100
COUNT = re.compile(r'^rolekeeper_http_requests_total\{.*status="(\d+)"\} (\d+)$', re.MULTILINE)


@dataclasses.dataclass
class Outcome:
    """What came of the run so far."""

    requests: int = 0
    own: int = 0
    successes: int = 0
    failures: list = dataclasses.field(default_factory=list)
    passes_without_requests: int = 0

    def failed(self, what, why=""):
        """Counts and shows a failure."""
        self.failures.append(what)
        print(f"failed  {what}{': ' if why else ''}{why}", flush=True)

    def is_good(self):
        """Whether nothing failed, and something was sent."""
        return self.requests > 0 and not self.failures

    def is_pointless(self):
        """Whether the passes do not get through to the server."""
        return self.passes_without_requests > 1

    def summary(self, store):
        """One line."""
        return f"{store}: {self.requests} requests, {self.successes} successes, {len(self.failures)} failures"


def fetch(server, path, outcome):
    """A question of the run's own; it counts neither as a request of the attack nor as a success."""
    outcome.own += 1
    with rolekeeper.DIRECT.open(f"{server.url}{path}", timeout=30) as answer:
        return answer.read().decode()


def statuses(server, outcome):
    """How many requests the server has answered, by status; this one is not yet among them."""
    found = COUNT.findall(fetch(server, "/metrics", outcome))
    by_status = {}
    for status, count in found:
        by_status[int(status)] = by_status.get(int(status), 0) + int(count)
    return by_status


def sent(server, outcome):
    """How many requests of the attack the server has answered, about."""
    return sum(statuses(server, outcome).values()) - outcome.own


@contextlib.contextmanager
def counted(server, outcome):
    """Counts what the server answers in between, and looks at the server afterwards: it must be there, and well."""
    before = statuses(server, outcome)
    yield
    # The question itself is counted only in the next answer.
    own = outcome.own
    try:
        after = statuses(server, outcome)
    except OSError as error:
        outcome.failed("the server does not answer any more", f"{error}\n{server.process.said()[-4000:]}")
        after = before
    made = {status: count - before.get(status, 0) for status, count in after.items()}
    outcome.requests += sum(made.values()) - own
    outcome.successes += sum(count for status, count in made.items() if status < 300) - own
    print("answers by status: " + ", ".join(f"{status}: {count}" for status, count in sorted(made.items())), flush=True)
    for status in (status for status in made if status >= 500 and made[status]):
        outcome.failed(f"{made[status]} answers with status {status}")
    if server.process.keeper.poll() is not None:
        outcome.failed("the server has ended", server.process.said()[-4000:])
    panics = [line for line in server.process.said().splitlines() if "panicked" in line]
    for line in panics[:5]:
        outcome.failed("a panic", line[:500])


def one_pass(server, libraries, scratch, number, seed, left, outcome):
    """Sends up to about `left` requests, over all operations."""
    caller = CALLERS[number % len(CALLERS)]
    document = json.loads(fetch(server, "/openapi.json", outcome))
    operations = sum(len(item) for item in document["paths"].values())
    examples = max(1, min(MOST_EXAMPLES, left // operations - FIXED_REQUESTS))
    state = scratch / f"state-{number}.json"
    report = scratch / f"report-{number}.json"
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", "--url", server.url]
    command += ["--checks", ",".join(CHECKS), "--phases", ",".join(PHASES), "--mode", "all", "--seed", str(seed)]
    command += ["--max-examples", str(examples), "--no-shrink", "--continue-on-failure", "--request-timeout", "30"]
    command += ["--suppress-health-check", "all", "--generation-database", "none", "--warnings", "off", "--no-color"]
    command += ["--report", "json", "--report-json-path", str(report), "--max-redirects", "0"]
    environment = {
        **os.environ,
        **server.environment(),
        "PYTHONPATH": str(libraries),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SCHEMATHESIS_HOOKS": str(HERE / "world.py"),
        "ATTACK_SECRET": SECRET,
        "ATTACK_AS": caller,
        "ATTACK_SEED": str(seed),
        "ATTACK_PASS": str(number),
        "ATTACK_STATE": str(state),
        "NO_PROXY": "127.0.0.1",
    }
    said = scratch / f"pass-{number}.txt"
    try:
        with said.open("wb") as output:
            result = subprocess.run(
                command,
                cwd=scratch,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=PASS_SECONDS,
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        raise Problem(f"pass {number} is not done after {PASS_SECONDS} seconds") from error
    judge(caller, number, result.returncode, state, report, said, outcome)


def judge(caller, number, code, state, report, said, outcome):
    """Adds up what a pass has sent and found."""
    sent = read(state)
    found = read(report)
    # Schemathesis asks for the description as well.
    outcome.own += sent.get("own", 0) + 1
    outcome.passes_without_requests += not sent.get("sent")
    print(f"pass {number} as {caller}: {sent.get('sent', 0)} requests, {sent.get('own', 0)} of its own", flush=True)
    for trouble in sorted(set(sent.get("trouble", [])))[:5]:
        print(f"  of the keeper's: {trouble[:300]}", flush=True)
    if sent.get("dropped"):
        outcome.failed(f"{sent['dropped']} requests without an answer")
    for group in found.get("failures", []):
        for operation in group["operations"]:
            outcome.failed(f"{group['title']}: {operation}")
    for error in found.get("errors", []):
        outcome.failed(f"{error['count']} times {error['title']}")
    is_clean = code == 0 and found.get("complete") and sent.get("sent")
    if not is_clean and not found.get("failures") and not found.get("errors"):
        outcome.failed(f"pass {number} ended with exit code {code}")
    if not is_clean:
        text = said.read_text(encoding="utf-8", errors="replace")
        if folder := os.environ.get("ATTACK_KEEP"):
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            (pathlib.Path(folder) / f"pass-{number}.txt").write_text(text, encoding="utf-8")
        print(text[-SHOWN_CHARACTERS:], flush=True)


def read(file):
    """A JSON object from a file; an empty one where there is none."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
