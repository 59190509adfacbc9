"""Measurements have few labels: templates, classes of status, known methods; never what a caller made up."""

from __future__ import annotations

import subprocess

import prometheus_client
import pytest

from carbonledger.infra.observe import metrics


def of(name: str, **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(name, labels)


def test_a_request_is_counted_by_template_method_and_class_of_status() -> None:
    requests = metrics.Requests()
    for status in (200, 201, 404):
        requests.seen(route="/v1/of-this-test/{id}", method="GET", status=status, seconds=0.02)
    labels = {"route": "/v1/of-this-test/{id}", "method": "GET"}
    assert of("carbonledger_http_requests_total", status="2xx", **labels) == 2
    assert of("carbonledger_http_requests_total", status="4xx", **labels) == 1
    assert of("carbonledger_http_request_seconds_count", **labels) == 3
    assert of("carbonledger_http_request_seconds_bucket", le="0.025", **labels) == 3
    assert of("carbonledger_http_request_seconds_bucket", le="0.01", **labels) == 0


def test_methods_that_callers_make_up_share_one_label() -> None:
    requests = metrics.Requests()
    for number in range(50):
        requests.seen(route="unmatched-here", method=f"METHOD{number}", status=405, seconds=0.001)
    assert of("carbonledger_http_requests_total", route="unmatched-here", method="other", status="4xx") == 50
    assert requests._of == {}, "and nothing is remembered for them"


def test_statements_are_measured_by_operation() -> None:
    before = of("carbonledger_database_statement_seconds_count", operation="other") or 0
    metrics.statement("merge", 0.001)
    metrics.statement("vacuum", 0.001)
    assert of("carbonledger_database_statement_seconds_count", operation="other") == before + 2


@pytest.mark.requires("promtool")
def test_promtool_finds_nothing_to_mend() -> None:
    text = prometheus_client.generate_latest(metrics.REGISTRY)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
