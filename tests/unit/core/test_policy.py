from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from airflow_transition.core.policy import ClusterPolicy

GUIDE = Path(__file__).parent / "guide-policy.yaml"


def sample(**spec: Any) -> dict[str, Any]:
    document = yaml.safe_load(GUIDE.read_text())
    document["spec"].update(spec)
    return document


def with_package(**fields: Any) -> dict[str, Any]:
    document = sample()
    document["spec"]["packageSelectors"][0].update(fields)
    return document


def with_cron(expression: str) -> dict[str, Any]:
    backup = {"name": "b", "backupType": "Schedule", "schedulePeriod": expression}
    return with_package(backupInformation=[backup])


def refused(document: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        ClusterPolicy.of_document(document)
    return "\n".join(
        f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in caught.value.errors()
    )


def test_the_sample_of_the_guide_is_accepted_as_it_is() -> None:
    policy = ClusterPolicy.of_document(sample())
    assert policy.name == "clusterpolicy-sample"
    assert policy.source.name == "cluster1-azure"
    package = policy.package("video")
    assert package.live_state_package
    assert package.backup_information[0].schedule_period == "*/3 * * * *"
    assert policy.spec.target_cluster_policy.prefer_clusters[0].weight == 100
    assert policy.spec.time_zone == "UTC"


def test_names_become_dag_ids() -> None:
    policy = ClusterPolicy.of_document(sample())
    assert policy.migrate_dag_id == "migrate.clusterpolicy-sample"
    assert (
        policy.checkpoint_dag_id(package="video", backup="my-test-backup")
        == "checkpoint.clusterpolicy-sample.video.my-test-backup"
    )


def test_names_that_make_a_dag_id_too_long_are_refused() -> None:
    document = sample()
    document["metadata"]["name"] = "a" * 230
    assert "spec.packageSelectors.0.backupInformation.0.name: makes a DAG id" in refused(document)


def test_dots_in_the_names_of_packages_would_let_two_entries_share_a_dag_id() -> None:
    assert "spec.packageSelectors.0.name" in refused(with_package(name="a.b"))


@pytest.mark.parametrize(
    "expression", ["*/3 * * * *", "@hourly", "0 0 29 2 *", "0 9 * * MON-FRI", "0 0 * * 5#2"]
)
def test_a_cron_is_accepted(expression: str) -> None:
    ClusterPolicy.of_document(with_cron(expression))


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "*/3 * * *",
        "61 * * * *",
        "0 0 30 2 *",
        "* * * * * *",
        "@every 5m",
        "@reboot",
        "R * * * *",
        "H * * * *",
        "CRON_TZ=Asia/Seoul 0 5 * * *",
        "*/0 * * * *",
        "a b c d e",
    ],
)
def test_a_cron_that_never_matches_or_is_none_is_refused(expression: str) -> None:
    assert "backupInformation.0.schedulePeriod" in refused(with_cron(expression))


def test_the_time_zone_is_one_of_the_iana_database() -> None:
    ClusterPolicy.of_document(sample(timeZone="Asia/Seoul"))
    for zone in ("Asia/Seul", "../etc/passwd", ""):
        assert "Asia/Seoul" in refused(sample(timeZone=zone))


@pytest.mark.parametrize(
    "repo",
    [
        "https://nephio:hunter2@git.example.com/a.git",
        "https://hunter2@git.example.com/a.git",
        "https://git.example.com/a.git?token=hunter2",
        "ssh://git:hunter2@git.example.com/a.git",
        "https://[hunter2/a.git",
        "https://git.example.com:hunter2/a.git",
        "ext::sh -c hunter2",
        "file:///hunter2",
        "/hunter2",
    ],
)
def test_a_repository_url_that_may_hold_a_secret_is_refused_without_repeating_it(repo: str) -> None:
    selector = {"name": "cluster1-azure", "repo": repo, "repoType": "git"}
    document = sample(clusterSelector=selector)
    assert "spec.clusterSelector.repo" in refused(document)
    with pytest.raises(ValidationError) as caught:
        ClusterPolicy.of_document(document)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "repo",
    [
        "http://13.212.242.157:31410/nephio/a.git",
        "https://git.example.com/a.git",
        "ssh://git@git.example.com:2222/a.git",
        "git@git.example.com:owner/a.git",
    ],
)
def test_a_repository_url_without_secrets_is_accepted(repo: str) -> None:
    selector = {"name": "cluster1-azure", "repo": repo, "repoType": "git"}
    assert ClusterPolicy.of_document(sample(clusterSelector=selector)).source.repo == repo


@pytest.mark.parametrize(
    "path", ["/video", "../video", "a/../../b", ".git/hooks", "", "a\\b", "a\nb"]
)
def test_a_package_path_stays_inside_the_repository(path: str) -> None:
    assert "packagePath" in refused(with_package(packagePath=path))


def test_a_slash_at_the_end_of_a_package_path_makes_no_difference() -> None:
    policy = ClusterPolicy.of_document(with_package(packagePath="apps/video/"))
    assert policy.package("video").package_path == "apps/video"


def test_stateless_packages_need_no_backup_and_stateful_ones_do() -> None:
    stateless = {"name": "web", "packagePath": "web", "packageType": "Stateless"}
    assert (
        not ClusterPolicy.of_document(sample(packageSelectors=[stateless]))
        .package("web")
        .live_state_package
    )
    stateful = stateless | {"packageType": "Stateful"}
    assert "backupInformation: lists no backup" in refused(sample(packageSelectors=[stateful]))


def test_a_live_stateless_package_contradicts_itself() -> None:
    assert "contradicts packageType" in refused(with_package(packageType="Stateless"))


def test_select_mode_all_needs_no_list_of_packages_and_specific_does() -> None:
    ClusterPolicy.of_document(sample(selectMode="All", packageSelectors=[]))
    assert "spec.packageSelectors: lists no package" in refused(sample(packageSelectors=[]))


def test_a_schedule_has_a_period_and_a_manual_backup_has_none() -> None:
    manual = {"name": "m", "backupType": "Manual"}
    ClusterPolicy.of_document(with_package(backupInformation=[manual]))
    scheduled = {"name": "s", "backupType": "Schedule"}
    both = refused(
        with_package(backupInformation=[scheduled, manual | {"schedulePeriod": "@daily"}])
    )
    assert "backupInformation.0.schedulePeriod: is missing" in both
    assert "backupInformation.1.schedulePeriod: contradicts backupType Manual" in both


def test_packages_and_backups_are_named_once() -> None:
    document = sample()
    package = document["spec"]["packageSelectors"][0]
    package["backupInformation"] *= 2
    document["spec"]["packageSelectors"].append(package)
    messages = refused(document)
    assert 'packageSelectors.1.name: "video" is used twice' in messages
    assert 'packageSelectors.0.backupInformation.1.name: "my-test-backup" is used twice' in messages


def test_two_packages_in_one_folder_could_not_be_moved_apart() -> None:
    document = sample()
    packages = document["spec"]["packageSelectors"]
    packages.append(packages[0] | {"name": "player", "packagePath": "video/player"})
    assert "packageSelectors.1.packagePath: shares its folder" in refused(document)


def test_the_source_is_no_target() -> None:
    targets = {"preferClusters": [{"name": "cluster1-azure", "repoType": "git"}]}
    assert "preferClusters.0.name: is the source" in refused(sample(targetClusterPolicy=targets))


def test_a_cluster_is_not_preferred_and_avoided() -> None:
    cluster = {"name": "cluster2-aws", "repoType": "git"}
    targets = {"preferClusters": [cluster, cluster], "avoidClusters": [cluster]}
    messages = refused(sample(targetClusterPolicy=targets))
    assert "preferClusters.1.name: " in messages
    assert "avoidClusters.0.name: is in preferClusters as well" in messages


def test_a_quiesce_hook_is_a_command_or_a_request() -> None:
    command = {"exec": {"container": "app", "command": ["/bin/close"]}}
    request = {"http": {"port": 8080, "path": "/open", "timeoutSeconds": 5}}
    policy = ClusterPolicy.of_document(with_package(quiesce={"close": command, "open": request}))
    quiesce = policy.package("video").quiesce
    assert quiesce is not None
    assert quiesce.close.exec is not None
    assert quiesce.open.http is not None
    assert quiesce.open.http.method == "POST"
    assert quiesce.open.http.timeout.total_seconds() == 5
    messages = refused(with_package(quiesce={"close": command | request, "open": {}}))
    assert "quiesce.close: needs exactly one" in messages
    assert "quiesce.open: needs exactly one" in messages


def test_a_field_has_one_spelling_in_a_document() -> None:
    document = with_package(package_path="video")
    del document["spec"]["packageSelectors"][0]["packagePath"]
    messages = refused(document)
    assert "packageSelectors.0.packagePath: " in messages
    assert "packageSelectors.0.package_path: " in messages


def test_what_was_read_is_written_the_same() -> None:
    policy = ClusterPolicy.of_document(sample(timeZone="Asia/Seoul"))
    written = policy.model_dump(mode="json", by_alias=True)
    assert ClusterPolicy.of_document(written) == policy


def test_an_unknown_package_is_named_with_those_that_there_are() -> None:
    with pytest.raises(KeyError, match="no package other; it has video"):
        ClusterPolicy.of_document(sample()).package("other")


HOOK = {"exec": {"container": "app", "command": ["flush"]}}


@pytest.mark.parametrize(
    ("hooks", "live", "said"),
    [
        ({"before": {}}, True, "needs exactly one of exec"),
        ({"after": {**HOOK, "http": {"port": 80, "path": "/x"}}}, True, "needs exactly one of"),
        ({"before": HOOK}, False, "which only live packages have"),
    ],
)
def test_checkpoint_hooks_are_one_each_and_of_live_packages(
    hooks: dict[str, Any], said: str, *, live: bool
) -> None:
    assert said in refused(with_package(checkpointHooks=hooks, liveStatePackage=live))
