"""Spans as a file in OTLP's JSON, which collectors read (`otlpjsonfile`). Needs no package."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from harness.exports.otel_spans import Event, Span, Value
from harness.secrets import redact

SCOPE = "delm-harness"
_KINDS = {"internal": 1, "client": 3}
_ERROR = 2
_SAMPLED = 1
V = TypeVar("V", bound=Value)


def trace_line(spans: Iterable[Span], version: str) -> str:
    """The spans as one line of the file."""
    resource = {"service.name": "delm", "service.version": version}
    scope = {"scope": {"name": SCOPE, "version": version}, "spans": [_span(each) for each in spans]}
    document = {"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scope]}
    return json.dumps({"resourceSpans": [document]})


def clean(value: V) -> V:
    """The value without any secret of this process."""
    if isinstance(value, str):
        return redact(value)  # type: ignore[return-value]  # a str for a str
    if isinstance(value, bool | int | float):
        return value
    return [redact(each) for each in value]  # type: ignore[return-value]  # as above


def _span(span: Span) -> dict[str, Any]:
    found: dict[str, Any] = {
        "traceId": f"{span.trace:032x}",
        "spanId": f"{span.number:016x}",
        "name": clean(span.name),
        "kind": _KINDS[span.kind],
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
        "events": [_event(each) for each in span.events],
        "status": {"code": _ERROR} if span.error else {},
        "flags": _SAMPLED,
    }
    return found | ({"parentSpanId": f"{span.parent:016x}"} if span.parent else {})


def _event(event: Event) -> dict[str, Any]:
    return {
        "name": event.name,
        "timeUnixNano": str(event.at_ns),
        "attributes": _attributes(event.attributes),
    }


def _attributes(attributes: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(clean(value))} for key, value in attributes.items()]


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"arrayValue": {"values": [{"stringValue": each} for each in value]}}
