"""Where traces are sent, by the configuration or by OpenTelemetry's own variables."""

from collections.abc import Mapping
from urllib.parse import urlsplit

_PATH = "/v1/traces"
_BASE, _TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_OURS = {"", "http/protobuf"}


def traces_address(configured: str, environ: Mapping[str, str]) -> str:
    """The address that spans are posted to; empty if nothing is to be sent.

    `configured` stands before the variables, except before those that switch traces off.
    """
    off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if off or environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return ""
    if not configured and (whole := environ.get(_TRACES, "").strip()):
        return whole
    base = (configured or environ.get(_BASE, "")).strip().rstrip("/")
    return base if not base or base.endswith(_PATH) else base + _PATH


def complaint(address: str, environ: Mapping[str, str]) -> str:
    """Why nothing can be sent to `address`, in words; empty if that is not known."""
    protocol = next((said for name in _PROTOCOLS if (said := environ.get(name, "").strip())), "")
    if protocol not in _OURS:
        return f"spans are sent by http/protobuf, and {protocol} is asked for"
    try:
        parts = urlsplit(address)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fits = False
    return "" if fits else "the address must begin with http:// or https:// and name a host"
