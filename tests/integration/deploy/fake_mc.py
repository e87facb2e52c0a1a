"""What deploy/compose/minio-setup uses of MinIO's client, over a file instead of a server.

The client comes with MinIO's image only. As the real one does: an unknown host, wrong root
credentials or an unknown command are errors, and so is attaching a policy twice.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

State = dict[str, Any]
ALIAS = "local"


def main() -> None:
    file = Path(os.environ["MC_STATE"])
    state: State = json.loads(file.read_text())
    state["command_lines"].append(sys.argv[1:])
    if os.environ.get(f"MC_HOST_{ALIAS}") != state["host"]:
        sys.exit("mc: <ERROR> Unable to initialize new alias from the provided credentials.")
    match sys.argv[1:]:
        case ["mb", "--ignore-existing", place]:
            state["buckets"].setdefault(bucket_of(place), "as it was made")
        case ["anonymous", "set", access, place]:
            state["buckets"][bucket_of(place)] = access
        case ["admin", "policy", "create", "local", name, rules]:
            state["policies"][name] = json.loads(Path(rules).read_text())
        case ["admin", "user", "add", "local"]:
            name, secret = sys.stdin.read().splitlines()
            state["users"][name] = {**state["users"].get(name, {"policies": []}), "secret": secret}
        case ["admin", "user", "info", "local", name]:
            held = ",".join(state["users"][name]["policies"])
            sys.stdout.write(f"AccessKey: {name}\nPolicyName: {held}\n")
        case ["admin", "policy", "attach", "local", policy, "--user", name]:
            attach(state["users"][name]["policies"], policy=policy, known=state["policies"])
        case _:
            sys.exit(f"mc: <ERROR> `{' '.join(sys.argv[1:])}` is not a recognized command.")
    file.write_text(json.dumps(state))


def bucket_of(place: str) -> str:
    host, _, bucket = place.partition("/")
    if host != ALIAS or not bucket:
        sys.exit(f"mc: <ERROR> Unable to use `{place}`. Bucket name cannot be empty.")
    return bucket


def attach(held: list[str], *, policy: str, known: State) -> None:
    if policy not in known:
        sys.exit("mc: <ERROR> The canned policy does not exist.")
    if policy in held:
        sys.exit("mc: <ERROR> The specified policy change is already in effect.")
    held.append(policy)


if __name__ == "__main__":
    main()
