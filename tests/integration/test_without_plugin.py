"""What Airflow's own API server answers where pods would board, while it lacks our plugin."""

import httpx
import pytest
from airflow.api_fastapi.app import create_app

from tradewind.client.endpoint import Answer
from tradewind.dispatch import endpoint_policy
from tradewind.worker import answers

URL = "http://api/tradewind/v1/board"


@pytest.fixture
async def airflow(database):
    """Return a client of an app without our plugin, which this process is not to load."""
    app = create_app(apps="core")
    assert not [route for route in app.routes if "tradewind" in getattr(route, "path", "")]
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_no_answer_of_its_counts_as_the_endpoints(airflow, method):
    said = await airflow.request(method, URL, json={"protocol": 1})
    kind = said.headers.get("content-type", "").partition(";")[0]
    found = endpoint_policy.judge(
        Answer(status=said.status_code, content_type=kind, text=said.text[:200]), url=URL
    )
    assert not found.answers
    assert not found.is_down
    assert "install airflow-tradewind in the API server's image" in found.remedy
    pods = answers.read(answers.Answer(status=said.status_code, body=said.content), url=URL)
    assert isinstance(pods, answers.Again)
    assert "install the same airflow-tradewind in the API server" in pods.why
