"""`airflow transition ...`: what there is; what it does is imported when it is asked for."""

from typing import Any

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

from airflow_transition.heartbeat.cli import receiver_commands

_HERE = "airflow_transition.cli"

_arg: Any = Arg  # Airflow's class has no types
_JSON = _arg(("--json",), action="store_true", help="Print JSON")
_PATHS = _arg(
    ("paths",), nargs="*", help="Policy files, or folders of them; default: the policies folder"
)
_FORMAT = _arg(
    ("--format",), choices=("text", "json", "sarif"), default="text", help="Form of the report"
)
_POLICY = _arg(("policy",), help="Name of a policy, or its file (*.yaml)")
_POLICIES = _arg(
    ("policies",), nargs="*", help="Names of policies, or their files; default: all of them"
)
_OF_POLICY = _arg(("--policy",), nargs=1, default=None, help="Look in this policy only")
_PACKAGE = _arg(("--package",), default=None, help="Of this package only")
_TARGET = _arg(("--target",), default=None, help="To this cluster; default: the best that fits")
_RESTORE_POINT = _arg(("restore_point",), help="Its id, as `restore-points` shows it")
_NAME = _arg(("name",), help="Name of a package, or id of a restore point")
_CLUSTER = _arg(("cluster",), help="Name of a cluster's connection")
_NODE = _arg(("--node",), default=None, help="Try this node only; default: all that are Ready")
_STRICT = _arg(
    ("--strict",), action="store_true", help="Warnings and what is not known fail as well"
)
_TIMEOUT = _arg(("--timeout",), type=float, default=30, help="Seconds for all answers together")
_CONN_ID = _arg(
    ("--conn-id",),
    default=None,
    help="Connection of the cluster that holds the Secrets; default: the management cluster's",
)
_NAMESPACE = _arg(("--namespace",), default="default", help="Of the Secrets; default: %(default)s")
_GIT_SECRET = _arg(
    ("--git-secret",), default="git-user-secret", help="Account for Git; default: %(default)s"
)
_REGISTRY_SECRET = _arg(
    ("--registry-secret",),
    default="reg-credentials",
    help="Account for the registry; default: %(default)s",
)
_S3_SECRET = _arg(
    ("--s3-secret",), default=None, help="A Secret with the guide's MINIO_... variables as keys"
)
_DRY_RUN = _arg(("--dry-run",), action="store_true", help="Say what would be done, do nothing")
_MOVE = _arg(
    ("move",),
    nargs="?",
    default=None,
    help="A policy, or a run as `<dag id>/<run id>`; default: the newest move of any policy",
)
_ONCE = _arg(("--once",), action="store_true", help="Show it as it is now, and end")
_WHY = _arg(("--why",), required=True, help="For whoever wonders later why it is still there")


def commands() -> list[GroupCommand]:
    """Named in the provider's description."""
    return [
        GroupCommand(
            name="transition",
            help="Move running workloads between clusters",
            subcommands=(
                *_FILES,
                *_SECRETS,
                *_MOVES,
                *receiver_commands(),
            ),
        )
    ]


def _command(name: str, help: str, module: str, *args: Any) -> ActionCommand:  # noqa: A002
    return ActionCommand(
        name=name, help=help, func=lazy_load_command(f"{_HERE}.{module}"), args=args
    )


_FILES = (
    _command("lint", "Show every error of policy files", "lint.lint", _PATHS, _FORMAT),
    _command("export-schema", "Print the JSON Schema of a policy", "schema.export_schema"),
)
_SECRETS = (
    _command(
        "import-secrets",
        "Make Airflow connections of the guide's Kubernetes Secrets",
        "import_secrets.import_secrets",
        *(_POLICIES, _CONN_ID, _NAMESPACE, _GIT_SECRET, _REGISTRY_SECRET, _S3_SECRET, _DRY_RUN),
    ),
)
_MOVES = (
    _command(
        "doctor",
        "See that everything is there that moves and failovers need",
        "doctor.doctor",
        *(_POLICIES, _STRICT, _TIMEOUT, _JSON),
    ),
    _command(
        "plan",
        "Show what a move would do, and touch nothing",
        "plan.plan",
        *(_POLICY, _PACKAGE, _TARGET, _JSON),
    ),
    _command("watch", "Follow a move while it goes on", "watch.watch", _MOVE, _ONCE),
    _command(
        "restore-points",
        "List what can be restored",
        "restore_points.list_restore_points",
        *(_POLICY, _PACKAGE, _JSON),
    ),
    _command(
        "canary",
        "Checkpoint and restore a tiny pod on a cluster's nodes",
        "canary.canary",
        *(_CLUSTER, _NODE, _JSON),
    ),
    _command(
        "test-restore",
        "Restore the newest restore points in isolation, and mark them as proven",
        "restore_test.restore_test",
        *(_POLICY, _PACKAGE, _TARGET, _JSON),
    ),
    _command(
        "describe",
        "Show a package or a restore point",
        "restore_points.describe",
        *(_NAME, _OF_POLICY),
    ),
    _command(
        "pin",
        "Keep a restore point until it is unpinned",
        "restore_points.pin",
        *(_RESTORE_POINT, _WHY),
    ),
    _command("unpin", "Let retention decide again", "restore_points.unpin", _RESTORE_POINT),
    _command(
        "reindex",
        "Put the catalogue behind the page right by what S3 holds",
        "reindex.reindex",
        *(_POLICIES, _JSON),
    ),
)
