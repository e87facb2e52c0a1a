"""Find the packages of a policy with `selectMode: All` when a run begins."""

from typing import Any

from airflow.sdk import BaseOperator, Context

from airflow_transition import outside
from airflow_transition.core.cluster_package import package_on, source_package
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.links import PageLink
from airflow_transition.operators.whole_policy import look_for_packages
from airflow_transition.retry_policy import retrying


class FoundPackagesOperator(BaseOperator):
    """Give the packages that the policy does not list itself, each with the places where it may be.

    What the cluster runs under the annotations and no manifest of the repository has is named in
    the log: nothing protects it.

    :param policy: a policy with `selectMode: All` and `backupInformation`.
    """

    operator_extra_links = (PageLink(),)
    ui_color = "#fbf3d0"

    def __init__(self, *, policy: ClusterPolicy, **kwargs: Any) -> None:
        super().__init__(**retrying(kwargs))
        self.policy = policy

    def execute(self, context: Context) -> list[dict[str, Any]]:
        whole = look_for_packages(self.policy)
        self._tell_unprotected({package.name for package in whole.policy.spec.package_selectors})
        return [
            {
                "package": source_package(self.policy, package=package).as_json(),
                "places": [
                    package_on(self.policy, package=package, cluster=cluster).as_json()
                    for cluster in self.policy.clusters
                ],
            }
            for package in whole.found
        ]

    def _tell_unprotected(self, known: set[str]) -> None:
        """Told and no more: the packages may have moved, and their cluster may be lost."""
        try:
            running = outside.cluster_named(self.policy.source.name).discover()
        except TransitionError as error:
            self.log.warning("what the cluster runs was not compared: %s", error)
            return
        for each in running:
            if each.package not in known:
                self.log.warning(
                    "not protected: package %s (%s): no manifest of the repository has it",
                    each.package,
                    each,
                )
