"""What a policy asks of the registry that keeps its checkpoint images."""

from pydantic import StrictBool

from airflow_transition.core.policy_model import PolicyModel


class RegistryRules(PolicyModel):
    """Whoever can pull an image reads the memory of its process."""

    may_be_public: StrictBool = False
    """True: a registry that asks nobody for a login is a warning, and stops no move."""
