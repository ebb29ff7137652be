"""The cluster's example files against the schemas of who reads them: Compose's, and that of KubeRay's RayJob.

    .venv/bin/python scripts/check_cluster_files.py --compose compose-spec.json --rayjob ray.io_rayjobs.yaml

The first is `schema/compose-spec.json` of compose-spec/compose-spec, the second
`ray-operator/config/crd/bases/ray.io_rayjobs.yaml` of ray-project/kuberay; neither comes with naslab.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator

FOLDER = Path(__file__).parents[1] / "examples" / "cluster"


def strict(schema: Any) -> Any:
    """A schema of Kubernetes in which fields that it does not name are refused, as the server's strict check does."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    is_open = "additionalProperties" in found or found.get("x-kubernetes-preserve-unknown-fields")
    if not is_open and isinstance(found.get("properties"), dict):
        found["additionalProperties"] = False
    return found


def rayjob_schema(definition: Any) -> Any:
    """The schema of a RayJob in the definition of that resource; Kubernetes' own fields are beside it."""
    [version] = [each for each in definition["spec"]["versions"] if each["name"] == "v1"]
    schema = strict(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def faults(schema: Any, name: str) -> list[str]:
    """What of a file breaks a schema, one line each."""
    value = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return [f"{name}: {each.json_path}: {each.message}" for each in Draft7Validator(schema).iter_errors(value)]


def main() -> None:
    """Check both files; exit code 1 where one breaks its schema."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compose", type=Path, required=True, help="compose-spec.json")
    parser.add_argument("--rayjob", type=Path, required=True, help="ray.io_rayjobs.yaml")
    given = parser.parse_args()
    found = faults(json.loads(given.compose.read_text(encoding="utf-8")), "compose.yaml")
    found += faults(rayjob_schema(yaml.safe_load(given.rayjob.read_text(encoding="utf-8"))), "rayjob.yaml")
    print("\n".join(found) or "compose.yaml and rayjob.yaml keep to their schemas")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
