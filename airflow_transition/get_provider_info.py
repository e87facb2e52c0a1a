"""What Airflow discovers of this provider. Imports nothing of Airflow."""

from typing import Any

_INTEGRATION = "Transition"
_PACKAGE = "airflow_transition"


def get_provider_info() -> dict[str, Any]:
    """Provider metadata in the shape of Airflow's provider.yaml schema.

    Connections are of types that users have already: kubernetes, aws, git, docker. None is defined
    here: a type belongs to one provider.
    """
    return {
        "package-name": "airflow-transition",
        "name": _INTEGRATION,
        "description": "Moves running workloads between Kubernetes clusters.",
        "versions": ["0.1.0"],
        "integrations": [{"integration-name": _INTEGRATION, "tags": ["kubernetes"]}],
        "operators": [_modules("operators", _OPERATORS)],
        "sensors": [_modules("sensors", _SENSORS)],
        "triggers": [_modules("triggers", ["checkpoint_records", "faults", "node_health"])],
        "hooks": [_modules("hooks", _HOOKS)],
        "bundles": [
            {
                "integration-name": _INTEGRATION,
                "python-modules": [f"{_PACKAGE}.policy_bundle"],
            }
        ],
        "transfers": [
            {
                "source-integration-name": _INTEGRATION,
                "target-integration-name": _INTEGRATION,
                "python-module": f"{_PACKAGE}.transfers.checkpoint_to_image",
            }
        ],
        "extra-links": [f"{_PACKAGE}.links.{name}" for name in _LINKS],
        "db-managers": [f"{_PACKAGE}.heartbeat.db_manager.TransitionDBManager"],
        "cli": [f"{_PACKAGE}.cli.commands.commands"],
        "config": {"transition": {"description": _SECTION, "options": _OPTIONS}},
    }


_OPERATORS = [
    "backups",
    "checkpoint_hooks",
    "canary",
    "doctor",
    "door",
    "failover_end",
    "failover_plan",
    "failover_promote",
    "failover_verify",
    "found_packages",
    "move_checkup",
    "move_settle",
    "pin",
    "plan",
    "pod_checkpoint",
    "promotion",
    "redeploy_plan",
    "redeploy_steps",
    "reindex",
    "restore_point",
    "restore_test",
    "retention",
    "retirement",
    "volumes",
    "staging",
]
_SENSORS = ["checkpoint_record", "node_health", "workload_restored"]
_HOOKS = [
    "catalogue",
    "checkpoint_store",
    "cluster",
    "gitops",
    "heartbeat",
    "kubelet",
    "oci_registry",
    "second_signal",
    "velero",
]
_LINKS = ["CommitLink", "ImageLink", "ArchiveLink", "PageLink"]

_SECTION = "Where policies and restore points are, and how tasks start."


def _option(description: str, *, default: str, example: str | None = None) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": "string",
        "example": example,
        "default": default,
    }


_OPTIONS = {
    "policies_folder": _option(
        "Folder of the policy files, for `transition_policies.py` and for the policy DAG bundle. "
        "A relative path is meant beside that file, for the bundle below the DAGs folder. Every "
        "process that parses DAGs, the workers too, must see the same files there.",
        default="policies",
        example="/etc/transition/policies",
    ),
    "bucket": _option(
        "S3 bucket of checkpoint archives, their records and the restore points. An archive holds "
        "the memory of a process with every secret in it: keep the bucket private.",
        default="checkpoints",
    ),
    "prefix": _option(
        "Put before every key in the bucket, with the slash that ends it. The agents must be given "
        "the same.",
        default="",
        example="transition/",
    ),
    "checkpoint_store_conn_id": _option(
        "Connection of type aws that leads to the bucket.",
        default="transition_s3",
    ),
    "registry_conn_id": _option(
        "Connection of type docker that leads to the registry of the checkpoint images: host "
        '(https://host:port), login, password, and in extra {"repository": "checkpoints", '
        '"ca_file": "/path/to/ca.crt"}.',
        default="transition_registry",
    ),
    "receiver_conn_id": _option(
        "Connection of type http that leads to the receiver of heartbeats: host "
        "(https://host:port/path), login and password of an Airflow user, and in extra "
        '{"ca_file": "/path/to/ca.crt", "airflow_url": "https://airflow.example"} where the '
        "receiver runs apart from Airflow's API server.",
        default="transition_receiver",
    ),
    "management_cluster_conn_id": _option(
        "Connection of type kubernetes that leads to a Cluster API management cluster. A cluster "
        "without a connection of its own is then found there, by the Secret <cluster>-kubeconfig. "
        "Empty: each cluster has a connection.",
        default="",
        example="management",
    ),
    "management_cluster_namespace": _option(
        "Namespace of the Cluster objects and their Secrets in the management cluster.",
        default="default",
    ),
    "canary_image": _option(
        "Image of canaries and of the pods that stage images: small, with sh, cat and sleep. Every "
        "node pulls it without a password, as the base image of a restore is pulled.",
        default="docker.io/library/busybox:1.37",
    ),
    "fencing_hook": _option(
        "A fencing of your own (network, cloud, power), as package.module.name: a function "
        "`fence(cluster, packages)`, or a class with that method, which gives a "
        "`airflow_transition.core.fencing.FenceResult`. It is called by tasks of failover DAGs.",
        default="",
        example="acme.fencing.power_off",
    ),
    "accept_guide_heartbeats": {
        "description": "Take heartbeats in the guide's form, which come without a token. Their "
        "nodes are shown as untrusted, and never make a cluster lost. Whoever reaches the "
        "receiver can make them up.",
        "version_added": "0.1.0",
        "type": "boolean",
        "example": None,
        "default": "False",
    },
    "most_guide_nodes": {
        "description": "So many nodes without a token are known at most.",
        "version_added": "0.1.0",
        "type": "integer",
        "example": None,
        "default": "1000",
    },
    "preload": {
        "description": "Import the provider's heavy modules (boto3, kubernetes, git) when the "
        "scheduler starts. The processes that LocalExecutor forks then share them, and a task "
        "starts earlier by the time of these imports. It takes effect only with "
        "`[core] lazy_load_plugins = False`: else Airflow forks the workers before it loads any "
        "plugin. Other executors gain nothing by it.",
        "version_added": "0.1.0",
        "type": "boolean",
        "example": None,
        "default": "False",
    },
}


def _modules(kind: str, names: list[str]) -> dict[str, Any]:
    return {
        "integration-name": _INTEGRATION,
        "python-modules": [f"{_PACKAGE}.{kind}.{name}" for name in names],
    }
