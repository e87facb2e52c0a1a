"""What tasks tell the catalogue, which lives where the receiver of heartbeats does."""

from pydantic import TypeAdapter

from airflow_transition.core.catalogue import (
    SurveyedClusters,
    SurveyedPlace,
    SurveyedStories,
    Told,
    Wanted,
)
from airflow_transition.hooks.heartbeat import HeartbeatHook

_WANTED = TypeAdapter(Wanted)


class CatalogueHook(HeartbeatHook):
    """Speaks to the catalogue as the Airflow user of the receiver's http connection."""

    def tell(self, told: Told) -> None:
        """What happened. Telling it again changes nothing."""
        self._tell("POST", "catalogue", "told", body=told.model_dump(mode="json"))

    def survey(self, listed: SurveyedPlace | SurveyedStories | SurveyedClusters) -> Wanted:
        """What S3 lists: gives what is to be read and told."""
        what = _WHAT[type(listed)]
        body = listed.model_dump(mode="json")
        return self._ask(_WANTED, "POST", "catalogue", "surveys", what, body=body)


_WHAT = {SurveyedPlace: "place", SurveyedStories: "stories", SurveyedClusters: "clusters"}
