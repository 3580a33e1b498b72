"""A MongoDB database for one run: on the server that the tests use, if one is named, or else on a replica set of one
member that is started here and taken away afterwards.
"""

import contextlib
import os
import pathlib
import shutil
import socket
import urllib.parse

from .process import Process
from .tools import Problem, execute

ADDRESS_VARIABLE = "ROLEKEEPER_TEST_MONGO_URL"
PROGRAM_VARIABLE = "ROLEKEEPER_TEST_MONGOD"
HOW_TO_GET_ONE = (
    f"no MongoDB server: set {ADDRESS_VARIABLE} to the mongodb:// URL of a replica set, or {PROGRAM_VARIABLE} to the "
    "program mongod, or put mongod on PATH, or run `cargo test --test store`, which fetches one"
)
# The port found free may be taken again before the server has it.
ATTEMPTS = 3


@contextlib.contextmanager
def database(target, folder, kit):
    """The URL of a database that nobody else has, for as long as the context lasts."""
    name = f"rolekeeper_clients_{os.getpid()}"
    address = os.environ.get(ADDRESS_VARIABLE)
    if address:
        url = urllib.parse.urlsplit(address)._replace(path=f"/{name}").geturl()
        try:
            yield url
        finally:
            administer(kit, "drop", url)
        return
    program = find(target)
    with contextlib.ExitStack() as running:
        port = start(program, folder, kit, running)
        yield f"mongodb://127.0.0.1:{port}/{name}?replicaSet=rs0"


def find(target):
    """The program: named, on PATH, or the one that the tests have fetched."""
    fetched = target / "mongod" / "mongod"
    candidates = [os.environ.get(PROGRAM_VARIABLE), shutil.which("mongod"), fetched]
    for candidate in candidates:
        if candidate and pathlib.Path(candidate).is_file():
            return str(candidate)
    raise Problem(HOW_TO_GET_ONE)


def start(program, folder, kit, running):
    """Starts a replica set of one member; returns its port once it takes writes."""
    for attempt in range(1, ATTEMPTS + 1):
        port = free_port()
        data = folder / str(attempt)
        data.mkdir(parents=True)
        with contextlib.ExitStack() as trial:
            process = trial.enter_context(Process(command_line(program, data, port), data, dict(os.environ)))
            try:
                administer(kit, "initiate", str(port))
            except Problem as problem:
                if attempt == ATTEMPTS:
                    raise Problem(f"{problem}\n{process.said()[-2000:]}") from problem
                continue
            running.enter_context(trial.pop_all())
            return port
    raise Problem(HOW_TO_GET_ONE)


def command_line(program, data, port):
    """Reachable from this machine alone, and small."""
    line = [program, "--dbpath", str(data), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"]
    return [*line, "--replSet", "rs0", "--oplogSize", "128", "--wiredTigerCacheSizeGB", "0.25"]


def free_port():
    """A port that nobody has at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def administer(kit, order, argument):
    """Has the MongoDB driver that comes with the JavaScript clients do what needs one."""
    program = kit.javascript("mongo.mjs")
    execute([*program.command, order, argument])
