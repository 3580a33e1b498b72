"""Holds the description of the API to the OpenAPI 3.1 specification, by the specification's own public validator, and
every example in it to the schema beside it. Takes the file that `rolekeeper openapi` printed.
"""

import json
import pathlib
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012


def contents(node, place=""):
    """Every media type object of the document: where it is and what it holds."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "content" and isinstance(value, dict):
                yield from ((f"{place}/content/{kind}", content) for kind, content in value.items())
            yield from contents(value, f"{place}/{key}")
    elif isinstance(node, list):
        for at, value in enumerate(node):
            yield from contents(value, f"{place}/{at}")


def is_refused(place, key, operations):
    """Whether an example shows a request that is refused, and so need not fit."""
    for operation_place, requests in operations:
        if place.startswith(operation_place + "/requestBody/"):
            return requests.get(key, {}).get("status", 200) >= 400
    return False


def unfit_examples(document):
    """The examples that their schema does not allow, as sentences."""
    resource = Resource.from_contents(document, default_specification=DRAFT202012)
    registry = Registry().with_resource("urn:description", resource)
    operations = [
        (f"/paths/{path}/{method}", operation["x-requests"])
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    for place, content in contents(document):
        schema = json.loads(json.dumps(content.get("schema", {})).replace('"#/', '"urn:description#/'))
        validator = Draft202012Validator(schema, registry=registry)
        for key, example in content.get("examples", {}).items():
            if is_refused(place, key, operations):
                continue
            for error in validator.iter_errors(example["value"]):
                yield f"{place}: the example {key} does not fit: {error.message}"


def main(file):
    """Prints every problem; the exit code says whether there is one."""
    document = json.loads(pathlib.Path(file).read_text(encoding="utf-8"))
    problems = [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()]
    problems += unfit_examples(document)
    count = sum(len(item) for item in document["paths"].values())
    print("\n".join(problems) or f"the description of {count} operations is in order")
    return 1 if problems or not count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
