"""The endpoint and key of a model: found, shown and checked before any call."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from harness.errors import UserError
from harness.model.prices import override_for
from harness.model.provider_keys import key_variables, provider_of
from harness.secrets import redact_error
from harness.secrets.allowed_addresses import is_private

NO_KEY = "none"  # what is sent as a key where there is none: clients refuse to have none at all

_AS_BEARER = {"ANTHROPIC_AUTH_TOKEN"}  # litellm sends it otherwise than a key, and finds it itself
_Addresses = tuple[tuple[str, ...], str]
ADDRESSES: Mapping[str, _Addresses] = {
    # provider: the variables that litellm reads, in its order, and where it sends without them
    "openai": (("OPENAI_BASE_URL", "OPENAI_API_BASE"), "https://api.openai.com/v1"),
    "anthropic": (("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"), "https://api.anthropic.com"),
    "gemini": (("GEMINI_API_BASE",), "https://generativelanguage.googleapis.com"),
    "openrouter": (("OPENROUTER_API_BASE",), "https://openrouter.ai/api/v1"),
    "deepseek": (("DEEPSEEK_API_BASE",), "https://api.deepseek.com"),
    "mistral": ((), "https://api.mistral.ai/v1"),
    "codestral": (("CODESTRAL_API_BASE",), "https://codestral.mistral.ai/v1"),
    "groq": (("GROQ_API_BASE",), "https://api.groq.com/openai/v1"),
    "xai": (("XAI_API_BASE",), "https://api.x.ai/v1"),
    "together_ai": (("TOGETHER_AI_API_BASE",), "https://api.together.ai/v1"),
    "fireworks_ai": (("FIREWORKS_API_BASE",), "https://api.fireworks.ai/inference/v1"),
    "deepinfra": (("DEEPINFRA_API_BASE",), "https://api.deepinfra.com/v1/openai"),
    "cerebras": (("CEREBRAS_API_BASE",), "https://api.cerebras.ai/v1"),
    "moonshot": (("MOONSHOT_API_BASE",), "https://api.moonshot.ai/v1"),
    "dashscope": (
        ("DASHSCOPE_API_BASE",), "https://dashscope.aliyuncs.com/compatible-mode/v1",
    ),
    "zai": (("ZAI_API_BASE",), "https://api.z.ai/api/paas/v4"),
    "perplexity": (("PERPLEXITY_API_BASE",), "https://api.perplexity.ai"),
    "novita": (("NOVITA_API_BASE",), "https://api.novita.ai/v3/openai"),
    "nebius": (("NEBIUS_API_BASE",), "https://api.studio.nebius.ai/v1"),
    "sambanova": (("SAMBANOVA_API_BASE",), "https://api.sambanova.ai/v1"),
    "azure": (("AZURE_API_BASE",), ""),
    "azure_ai": (("AZURE_AI_API_BASE",), ""),
    "ollama": (("OLLAMA_API_BASE",), "http://localhost:11434"),
    "hosted_vllm": (("HOSTED_VLLM_API_BASE",), ""),
    "lm_studio": (("LM_STUDIO_API_BASE",), ""),
    "llamafile": (("LLAMAFILE_API_BASE",), "http://127.0.0.1:8080/v1"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The endpoint of a model's calls. Values that litellm finds by itself are empty."""

    address: str
    address_from: str  # the variable or the key of the configuration that gives it; "": the default
    own: bool  # the configuration gives the address: the provider's key is not sent there
    key_env: str  # the variable whose value is sent as the key
    key: str = field(repr=False)
    unset: str = ""  # the variable that the configuration names for the key, if it is not set

    def arguments(self) -> dict[str, str]:
        """The arguments for litellm that differ from what it would find by itself."""
        given = {"api_base": self.address} if self.own else {}
        if self.key and self.key_env not in _AS_BEARER:
            given["api_key"] = self.key
        elif self.own:
            given["api_key"] = NO_KEY
        return given

    def __str__(self) -> str:
        """The address without a password in it, and the name of the key's variable."""
        where = redact_error(self.address) or "where litellm sends this provider's calls"
        if self.address_from:
            where = f"{where} ({self.address_from})"
        if self.key_env:
            openly = "" if not self.address or is_private(self.address) else ", unencrypted"
            return f"{where}, with the key in {self.key_env}{openly}"
        if self.unset:
            return f"{where}, with the key in {self.unset}, which is not set"
        if self.own:
            return f"{where}, without a key (api_key_env in its entry under models: names one)"
        return f"{where}, with whatever credentials litellm finds, or none"


def endpoint_of(model: str, overrides: Mapping[str, Any]) -> Endpoint:
    """Where the calls to `model` go, from its entry and the environment as they are now.

    An entry with an address of its own gets the key that it names and no other: the provider's key
    is not for another's gateway. `UserError` for an address that is none and a key that no HTTP
    header can hold; it names the variable. A variable that is not set is nothing (`missing_key`).
    """
    entry = override_for(model, overrides)
    provider = provider_of(model)
    own = entry is not None and bool(entry.api_base or entry.api_base_env)
    variables, address = ADDRESSES.get(provider, ((), ""))
    source = next((name for name in variables if os.environ.get(name)), "")
    keys = key_variables(provider)
    if entry is not None and own:
        source, address, keys = entry.api_base_env, entry.api_base, ()
    if source:
        address = os.environ.get(source, "").strip()
    if entry is not None and entry.api_key_env:
        keys = (entry.api_key_env,)
    if address and (own or source):
        _check_address(address, source or f"models.{model}.api_base")
    key_env = next((name for name in keys if os.environ.get(name, "").strip()), "")
    return Endpoint(
        address=address,
        address_from=source or ("its entry under models:" if own else ""),
        own=own,
        key_env=key_env,
        key=header_value(key_env) if key_env else "",
        unset=keys[0] if keys and not key_env and entry is not None and entry.api_key_env else "",
    )


def header_value(variable: str) -> str:
    """The key in `variable` without the blanks and line ends around it, which files leave.

    `UserError` where a character is left that no HTTP header can hold.
    """
    key = os.environ[variable].strip()
    wrong = next((c for c in key if not c.isascii() or not c.isprintable()), "")
    if wrong:
        what = {"\n": "a line end", "\r": "a line end", "\t": "a tab"}.get(wrong, "a character")
        raise UserError(
            f"the key in {variable} has {what} inside (at place {key.index(wrong) + 1} of "
            f"{len(key)}) that no HTTP header can hold; set it again: export {variable}=…"
        )
    return key


def _check_address(address: str, source: str) -> None:
    try:
        parts = urlsplit(address)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname)
        fine = fine and (parts.port is None or parts.port > 0)
    except ValueError:
        fine = False
    if not fine or any(c.isspace() for c in address):
        raise UserError(
            f"the address in {source} is none: {redact_error(address)!r}; it looks like "
            "https://HOST/v1"
        )
