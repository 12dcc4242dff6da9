"""The server against its own OpenAPI document, by schemathesis."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

# Some texts are rejected that no schema excludes, and anything may be the text of a CSV file.
NOT_HELD = [negative_data_rejection, positive_data_acceptance]


@pytest.fixture(scope="module")
def operations(model_files):
    from sentiment.commands.serve.app import App
    from sentiment.commands.serve.job import prepare
    from sentiment.commands.serve.metrics import Metrics
    from sentiment.config import compose

    overrides = [
        f"deploy.run='{model_files['two']}'", f"++routes.topics.model='{model_files['three']}'",
        "server.port=0", "tracking=off", "server.max_texts=50", "server.max_body=100000",
    ]  # fmt: skip
    service = prepare(compose("serve", overrides))
    app = App(service.routes, service.settings, Metrics(), [])
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    yield [operation.ok() for operation in schema.get_all_operations()]
    service.close()


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_server_answers_as_its_document_says(operations, mode, data):
    operation = data.draw(st.sampled_from(operations))
    case = data.draw(operation.as_strategy(generation_mode=mode))
    response = case.call_and_validate(excluded_checks=NOT_HELD)
    assert response.status_code < 500
