"""Keeps the documents true where that is cheap: every relative link leads to a file and a heading that are there, and
every YAML file can be read. What the documents say about the program is checked by the tests that run their examples.
"""

import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def documents():
    """Every Markdown file of ours."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def anchors(document):
    """What can follow a `#` in a link to the document."""
    prose = FENCE.sub("", document.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(prose)}


def broken_links(document):
    """The links of a document that lead nowhere, as sentences."""
    prose = FENCE.sub("", document.read_text(encoding="utf-8"))
    for link in LINK.findall(prose):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        goal = (document.parent / path).resolve() if path else document
        if not goal.exists():
            yield f"{document.relative_to(ROOT)}: {link} is not there"
        elif anchor and goal.suffix == ".md" and anchor not in anchors(goal):
            yield f"{document.relative_to(ROOT)}: {link} has no such heading"


def unreadable_yaml(file):
    """Why a YAML file cannot be read, if so."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        yield f"{file.relative_to(ROOT)}: {error}"
        return
    if file.name.startswith("docker-compose") and not content.get("services"):
        yield f"{file.relative_to(ROOT)}: no services"


def main():
    """Prints every problem; the exit code says whether there is one."""
    found = documents()
    problems = [problem for document in found for problem in broken_links(document)]
    files = sorted([*ROOT.glob("*.yml"), *ROOT.glob("*.yaml")])
    problems += [problem for file in files for problem in unreadable_yaml(file)]
    print("\n".join(problems) or f"{len(found)} documents and {len(files)} YAML files are in order")
    return 1 if problems or not found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
