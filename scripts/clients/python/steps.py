"""What the Python programs share: reporting a check in one line, naming the server, and writing down what was said to
it, for the validators to look at afterwards.
"""

import contextlib
import json
import os
import urllib.parse

import requests
from rocketchat_API.APIExceptions.RocketExceptions import RocketApiException
from rocketchat_API.rocketchat import RocketChat

URL = os.environ["ROLEKEEPER_URL"]
ADMINISTRATOR = (os.environ["ROLEKEEPER_USERNAME"], os.environ["ROLEKEEPER_PASSWORD"])
RECORDING = os.environ["ROLEKEEPER_RECORDING"]
NOT_LOGGED_IN = "You must be logged in to do this."


@contextlib.contextmanager
def step(what):
    """One check: it passed if nothing is raised within."""
    try:
        yield
    except Exception as error:  # Whatever goes wrong, the next check is made.
        reason = " ".join(str(error).split())
        print(f"failed {what}: {type(error).__name__}: {reason}", flush=True)
    else:
        print(f"ok {what}", flush=True)


def same(found, wanted):
    """Whether it is what it must be."""
    assert found == wanted, f"{found!r} instead of {wanted!r}"


def refused(status, error, call, *arguments, **more):
    """The call must be refused with this status and text; returns the client's exception."""
    try:
        answer = call(*arguments, **more)
    except RocketApiException as refusal:
        same((refusal.status_code, refusal.error), (status, error))
        return refusal
    raise AssertionError(f"not refused but answered with {answer!r}")


def client(user=None, password=None):
    """A client of the server, logged in if a user is given."""
    session = requests.Session()
    # Nothing of this machine's proxies and password files.
    session.trust_env = False
    session.hooks["response"].append(record)
    return RocketChat(user, password, server_url=URL, session=session)


def record(response, *_, **__):
    """Appends one request and its answer to the recording."""
    address = urllib.parse.urlsplit(response.request.url)
    body = response.request.body
    line = {
        "client": "python",
        "method": response.request.method,
        "path": address.path,
        "query": dict(urllib.parse.parse_qsl(address.query, keep_blank_values=True)),
        "body": json.loads(body) if body else None,
        "status": response.status_code,
        "contentType": response.headers.get("content-type"),
        "answer": response.text,
    }
    with open(RECORDING, "a", encoding="utf-8") as recording:
        recording.write(json.dumps(line) + "\n")
