"""The server under trial: started with nothing of this machine's environment, on a free port, with an administrator
whose password only this run knows.
"""

import contextlib
import dataclasses
import pathlib
import re
import secrets
import urllib.error
import urllib.request

from .process import Process

ADMINISTRATOR = "admin"
# As the Python client's own tests do it: without a limit nothing has to wait for a minute to be over.
UNLIMITED = {"OVERWRITE_SETTING_API_Enable_Rate_Limiter": "false"}
# The limiter as it comes, only with a window that no slow machine outlasts.
LIMITED = {"OVERWRITE_SETTING_API_Enable_Rate_Limiter_Limit_Time_Default": "3600000"}
# A proxy of this machine has nothing to do with it.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SERVING = re.compile(r"serving on port (\d+)")


@dataclasses.dataclass(frozen=True)
class Server:
    """Where a server is, who administers it, and where its clients write down what was said."""

    url: str
    password: str
    folder: pathlib.Path
    process: Process

    def environment(self):
        """What a client's program learns of it."""
        return {
            "ROLEKEEPER_URL": self.url,
            "ROLEKEEPER_USERNAME": ADMINISTRATOR,
            "ROLEKEEPER_PASSWORD": self.password,
            "ROLEKEEPER_RECORDING": str(self.folder / "recording.jsonl"),
        }


def on_sqlite():
    """The embedded store, in the server's folder."""
    return {"ROLEKEEPER_DATA_DIR": "data"}


def on_mongodb(url):
    """A database of a MongoDB server."""
    return {"MONGO_URL": url}


@contextlib.contextmanager
def serve(binary, folder, store, rates=UNLIMITED):
    """A server that is ready, for as long as the context lasts."""
    password = secrets.token_urlsafe(16)
    environment = {"PORT": "0", "ADMIN_USERNAME": ADMINISTRATOR, "ADMIN_PASS": password, **store, **rates}
    with Process([str(binary)], folder, environment) as process:
        port = process.wait_until("serve", lambda: SERVING.search(process.said()))[1]
        url = f"http://127.0.0.1:{port}"
        process.wait_until("get ready", lambda: is_ready(url))
        yield Server(url, password, folder, process)


def is_ready(url):
    """Whether the server says so."""
    try:
        with DIRECT.open(f"{url}/ready", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
