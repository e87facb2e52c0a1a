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
_WHY = _arg(("--why",), required=True, help="For whoever wonders later why it is still there")


def commands() -> list[GroupCommand]:
    """Named in the provider's description."""
    return [
        GroupCommand(
            name="transition",
            help="Move running workloads between clusters",
            subcommands=(
                *_FILES,
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
)
