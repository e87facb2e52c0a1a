"""The OpenAPI document tells the truth, whatever is sent."""

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from sqlalchemy import create_engine

from airflow_transition.heartbeat.app import create_app
from airflow_transition.heartbeat.settings import ReceiverSettings
from airflow_transition.heartbeat.store import Store
from airflow_transition.heartbeat.tables import metadata
from airflow_transition.heartbeat.token import TokenRequest
from airflow_transition.heartbeat.token_rows import create_token
from tests.unit.catalogue.conftest import FakePins
from tests.unit.heartbeat.site import START, authenticate

_ADMIN = {"Authorization": "Bearer admin"}
_TOKENS: dict[str, str] = {}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    folder = tmp_path_factory.mktemp("receiver")
    engine = create_engine(f"sqlite:///{folder}/receiver.db?timeout=30")
    metadata.create_all(engine)
    store = Store(engine)
    at_once = ReceiverSettings(write_interval=timedelta(0))
    app = create_app(store, authenticate, settings=at_once, pins=FakePins())
    store.prepare()
    request = TokenRequest(cluster="cluster1", node="node-a")
    _TOKENS["/heartbeat"] = create_token(store, request=request, now=START).token
    asyncio.run(app.state.receiver.load())
    app.router.lifespan_context = lambda _: nullcontext()  # nothing has to happen by itself here
    yield schemathesis.openapi.from_asgi("/openapi.json", app, headers=_ADMIN)
    engine.dispose()


_NOT_PROMISED = [
    negative_data_rejection,  # a query parameter that nobody knows is ignored, as nearly everywhere
    positive_data_acceptance,  # a schema cannot say that path and body name the same package
]
_GENERATED = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`")
def test_every_answer_is_as_documented(
    api: schemathesis.BaseSchema, mode: schemathesis.GenerationMode
) -> None:
    """Schemathesis' own pytest plugin does not know this pytest; its strategies and checks do."""
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) > 15
    negative = mode is schemathesis.GenerationMode.NEGATIVE
    for operation in operations:
        if negative and not (list(operation.iter_parameters()) or operation.body):
            continue  # nothing in it can be wrong

        @given(case=operation.as_strategy(generation_mode=mode))
        @_GENERATED
        def answers(case: schemathesis.Case) -> None:
            bearer = _TOKENS.get(case.path, "admin")
            case.call_and_validate(
                headers={"Authorization": f"Bearer {bearer}"}, excluded_checks=_NOT_PROMISED
            )

        answers()
