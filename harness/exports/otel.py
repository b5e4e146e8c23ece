"""Spans to an OTLP endpoint, through opentelemetry-sdk: the only file that imports it.

The variables OTEL_EXPORTER_OTLP_* (headers, certificates, compression, timeout), OTEL_SERVICE_NAME
and OTEL_RESOURCE_ATTRIBUTES count.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.re import parse_env_headers

from harness.exports.otel_file import SCOPE, clean
from harness.exports.otel_spans import Span, Value
from harness.secrets import learn

BATCH_SPANS = 256  # of one request
BATCH_CHARS = 1 << 20  # of the texts in one request, about
_HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
_KINDS = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT}


class OtlpExporter:
    """Sends spans to `address`. What fails is told by what `send` returns, and nowhere else."""

    def __init__(self, address: str, version: str) -> None:
        log = logging.getLogger("opentelemetry")
        log.propagate = False
        if not log.handlers:
            log.addHandler(logging.NullHandler())
        for name in _HEADERS:
            learn(*parse_env_headers(os.environ.get(name, ""), liberal=True).values())
        self._exporter = OTLPSpanExporter(endpoint=address, session=_Session())
        ours = Resource({"service.name": "delm", "service.version": version})
        self._resource = ours.merge(OTELResourceDetector().detect())
        self._scope = InstrumentationScope(SCOPE, version)

    def send(self, spans: Sequence[Span]) -> bool:
        """Whether the endpoint took all of them. Takes at most its timeout for each batch."""
        return all(
            self._exporter.export([self._readable(span) for span in batch])
            is SpanExportResult.SUCCESS
            for batch in _batches(spans)
        )

    def close(self) -> None:
        """Ends a wait for the next attempt; nothing can be sent any more."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the package's

    def _readable(self, span: Span) -> ReadableSpan:
        def context(number: int) -> SpanContext:
            return SpanContext(
                span.trace, number, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)
            )

        return ReadableSpan(
            name=clean(span.name),
            context=context(span.number),
            parent=context(span.parent) if span.parent else None,
            resource=self._resource,
            attributes=_cleaned(span.attributes),
            events=[
                Event(each.name, _cleaned(each.attributes), each.at_ns) for each in span.events
            ],
            kind=_KINDS[span.kind],
            instrumentation_scope=self._scope,
            status=Status(StatusCode.ERROR if span.error else StatusCode.UNSET),
            start_time=span.start_ns,
            end_time=span.end_ns,
        )


class _Session(requests.Session):
    """Follows no redirect, because headers hold keys, and reads no body, however long it is."""

    def send(self, request: requests.PreparedRequest, **given: Any) -> requests.Response:
        response = super().send(request, **given | {"stream": True, "allow_redirects": False})
        response.close()
        if response.is_redirect or 300 <= response.status_code < 400:
            raise requests.TooManyRedirects("the endpoint names another address")
        return response


def _cleaned(attributes: Mapping[str, Value]) -> dict[str, Value]:
    return {name: clean(value) for name, value in attributes.items()}


def _batches(spans: Sequence[Span]) -> Iterator[list[Span]]:
    """The spans in parts that a collector takes in one request."""
    batch: list[Span] = []
    size = 0
    for span in spans:
        mine = sum(len(value) for value in span.attributes.values() if isinstance(value, str))
        if batch and (len(batch) == BATCH_SPANS or size + mine > BATCH_CHARS):
            yield batch
            batch, size = [], 0
        batch.append(span)
        size += mine
    if batch:
        yield batch
