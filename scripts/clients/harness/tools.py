"""Installs the clients at their pinned versions below the build's target directory, once for each set of versions, and
says how their programs are started. Which versions is written in `python/requirements.txt` and
`javascript/package.json`.
"""

import dataclasses
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

SOURCES = pathlib.Path(__file__).resolve().parent.parent
# A package index that does not answer must not hold the run for ever.
INSTALLING_SECONDS = 900


class Problem(Exception):
    """Why the clients cannot be tried, as a sentence."""


@dataclasses.dataclass(frozen=True)
class Program:
    """A client's program: its name, its command line, what it needs in its environment."""

    name: str
    command: list
    environment: dict


@dataclasses.dataclass(frozen=True)
class Kit:
    """The installed clients: Python's libraries, and the folder of the JavaScript programs and their packages."""

    libraries: pathlib.Path
    packages: pathlib.Path

    def python(self, file):
        """A program of the folder `python`."""
        environment = {"PYTHONPATH": str(self.libraries), "PYTHONDONTWRITEBYTECODE": "1"}
        return Program(f"python {file}", [sys.executable, str(SOURCES / "python" / file)], environment)

    def javascript(self, file):
        """A program of the folder `javascript`."""
        return Program(f"javascript {file}", ["node", str(self.packages / file)], {})


def prepare(home):
    """Installs what is missing below `home`."""
    home.mkdir(parents=True, exist_ok=True)
    libraries = installed(home, "python", ["requirements.txt"], install_libraries)
    packages = installed(home, "javascript", ["package.json", "package-lock.json", ".npmrc"], install_packages)
    # Node looks for packages beside the program, so the programs go where the packages are.
    for program in (SOURCES / "javascript").glob("*.mjs"):
        shutil.copy2(program, packages)
    return Kit(libraries, packages)


def installed(home, language, manifests, install, sources=SOURCES):
    """A folder that holds what the manifests ask for; its name changes with them."""
    digest = hashlib.sha256()
    for manifest in manifests:
        digest.update((sources / language / manifest).read_bytes())
    folder = home / f"{language}-{digest.hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    for old in home.glob(f"{language}-*"):
        shutil.rmtree(old)
    with tempfile.TemporaryDirectory(dir=home) as unfinished:
        unfinished = pathlib.Path(unfinished)
        for manifest in manifests:
            shutil.copy2(sources / language / manifest, unfinished)
        install(unfinished)
        # The name appears only once everything is there. What is left of the temporary folder is then empty.
        shutil.move(unfinished, folder)
        unfinished.mkdir()
    return folder


def install_libraries(folder):
    """The Python client. The hashes are pinned, so nothing else can come under its name."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    execute([*pip, "--require-hashes", "--target", str(folder), "--requirement", str(folder / "requirements.txt")])


def install_packages(folder):
    """The JavaScript clients. No package gets to run a script of its own."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise Problem("the JavaScript clients need node (18.19 or newer) and npm")
    settle_overrides(folder)
    execute(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder)


def settle_overrides(folder):
    """Writes the overriding versions into the copied lock: older releases of npm stumble over what they override,
    which are addresses that only the clients' own makers can reach.
    """
    overrides = json.loads((folder / "package.json").read_text(encoding="utf-8"))["overrides"]
    file = folder / "package-lock.json"
    lock = json.loads(file.read_text(encoding="utf-8"))
    for package in lock["packages"].values():
        wanted = package.get("dependencies", {})
        wanted.update({name: version for name, version in overrides.items() if name in wanted})
    file.write_text(json.dumps(lock), encoding="utf-8")


def execute(command, folder=None):
    """Runs a command to its end; what it said becomes the problem when it fails."""
    try:
        result = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALLING_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise Problem(f"{command[0]} took longer than {INSTALLING_SECONDS} seconds") from error
    if result.returncode != 0:
        raise Problem(f"{' '.join(command[:4])}: {(result.stderr or result.stdout).strip()[-2000:]}")
