"""What can be said of a model's name before anything is sent: its key, and whether it exists."""

import difflib
import importlib.util
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from harness.model.prices import override_for, price_table

_KEYS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    # provider: groups of variables; every group needs one of its names
    "openai": (("OPENAI_API_KEY",),),
    "anthropic": (("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),),
    "gemini": (("GEMINI_API_KEY", "GOOGLE_API_KEY"),),
    "openrouter": (("OPENROUTER_API_KEY",),),
    "deepseek": (("DEEPSEEK_API_KEY",),),
    "mistral": (("MISTRAL_API_KEY",),),
    "codestral": (("CODESTRAL_API_KEY",),),
    "groq": (("GROQ_API_KEY",),),
    "xai": (("XAI_API_KEY",),),
    "together_ai": (("TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_API_KEY"),),
    "fireworks_ai": (("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY", "FIREWORKSAI_API_KEY"),),
    "deepinfra": (("DEEPINFRA_API_KEY",),),
    "cerebras": (("CEREBRAS_API_KEY",),),
    "moonshot": (("MOONSHOT_API_KEY",),),
    "dashscope": (("DASHSCOPE_API_KEY",),),
    "zai": (("ZAI_API_KEY",),),
    "perplexity": (("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"),),
    "cohere": (("COHERE_API_KEY", "CO_API_KEY"),),
    "cohere_chat": (("COHERE_API_KEY", "CO_API_KEY"),),
    "novita": (("NOVITA_API_KEY",),),
    "nebius": (("NEBIUS_API_KEY",),),
    "sambanova": (("SAMBANOVA_API_KEY",),),
    "azure": (("AZURE_API_KEY",), ("AZURE_API_BASE",), ("AZURE_API_VERSION",)),
    "azure_ai": (("AZURE_AI_API_KEY",), ("AZURE_AI_API_BASE",)),
    # bedrock, vertex_ai and sagemaker also take credentials from files and from the machine that
    # they run on; ollama and the like need none. Nothing can be told from the environment alone.
}
_CLOUDS: Mapping[str, tuple[str, str, str]] = {
    # provider: what litellm imports for it, the package that has it, and the credentials
    "vertex_ai": (
        "google.auth", "google-auth", "Google Cloud credentials in GOOGLE_APPLICATION_CREDENTIALS",
    ),
    "bedrock": ("boto3", "boto3", "AWS credentials such as AWS_ACCESS_KEY_ID"),
    "sagemaker": ("boto3", "boto3", "AWS credentials such as AWS_ACCESS_KEY_ID"),
}  # fmt: skip
_KEYLESS = {"ollama", "ollama_chat", "hosted_vllm", "vllm", "lm_studio", "llamafile", "custom"}


def provider_of(model: str) -> str:
    """The provider in litellm's words; "" when the name does not tell."""
    prefix, slash, _ = model.partition("/")
    if slash and (prefix in _KEYS or prefix in _KEYLESS or prefix in _priced_providers()):
        return prefix
    return str(price_table().get(model, {}).get("litellm_provider", ""))


@cache
def _priced_providers() -> frozenset[str]:
    return frozenset(str(entry.get("litellm_provider", "")) for entry in price_table().values())


def key_variables(provider: str) -> tuple[str, ...]:
    """The variables of which the first that is set holds the provider's key."""
    groups = _KEYS.get(provider, ())
    return groups[0] if groups else ()


def missing_key(model: str, overrides: Mapping[str, Any]) -> str | None:
    """The variable (key or address) that calling `model` needs and that is not set; None: all set.

    None also where credentials can come from elsewhere, such as a cloud's own files.
    """
    own = override_for(model, overrides)
    if own is not None and own.api_base_env and not _set(own.api_base_env):
        return own.api_base_env
    if own is not None and own.api_key_env:
        return None if _set(own.api_key_env) else own.api_key_env
    if own is not None and (own.api_base or own.api_base_env):
        return None
    for group in _KEYS.get(provider_of(model), ()):
        if not any(map(_set, group)):
            return group[0]
    return None


def _set(variable: str) -> bool:
    return bool(os.environ.get(variable, "").strip())


def missing_package(model: str, overrides: Mapping[str, Any]) -> str | None:
    """What calling `model` needs beyond a key where its provider's package is not installed."""
    own = override_for(model, overrides)
    provider = provider_of(model)
    cloud = next((name for name in _CLOUDS if provider.startswith(name)), None)
    if cloud is None or (own is not None and own.api_base):
        return None
    module, package, credentials = _CLOUDS[cloud]
    try:
        there = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        there = False
    if there:
        return None
    return f"goes to {cloud}, which needs the Python package {package} and {credentials}"


def known_model(model: str, overrides: Mapping[str, Any]) -> bool:
    """Whether litellm would know where to send a call to `model`."""
    return model in overrides or bool(provider_of(model))


def nearest_models(model: str, overrides: Mapping[str, Any], *, count: int = 3) -> list[str]:
    """The other names that look most like `model`, ours before those of the price table."""
    names = [name for name in (*overrides, *price_table()) if name != model]
    return difflib.get_close_matches(model, names, n=count, cutoff=0.6)
