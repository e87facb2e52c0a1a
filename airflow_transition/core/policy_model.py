"""The base of every part of a policy document."""

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel
from transition_wire.model import WireModel


class PolicyModel(WireModel):
    """Attributes in snake_case, the document in camelCase; no value is repeated in an error."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )
