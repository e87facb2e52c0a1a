"""One committer, as a process of its own: `python -m ... CONN_ID NAME [FLAG_FILE]`.

Appends a line to a shared file, so that no two commits merge without being applied anew. With a
flag file it says there that it has applied its change, and then waits to be killed.
"""

import sys
import time
from pathlib import Path

from airflow_transition.hooks.gitops import GitOpsHook


def main() -> None:
    conn_id, name, *flag = sys.argv[1:]

    def change(root: Path) -> None:
        shared = root / "packages" / "video" / "deployment.yaml"
        shared.write_text(f"{shared.read_text()}{name}\n")
        if flag:
            Path(flag[0]).touch()
            time.sleep(60)

    trailers = {"Transition-Run": name}
    commit = GitOpsHook(conn_id).commit(change, message=f"Promote {name}", trailers=trailers)
    print(commit.sha, commit.changed)  # noqa: T201 - its result


if __name__ == "__main__":
    main()
