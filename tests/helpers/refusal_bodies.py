"""What providers answer when they refuse: the status, the body, and what it means.

The shapes are those of public bug reports and of the providers' documentation; names and numbers
are made up.
"""

import json
from typing import Any


def openai(message: str, **more: Any) -> dict[str, Any]:
    """OpenAI's shape, which many others have too."""
    return {"error": {"message": message, "type": "invalid_request_error"} | more}


def wrapped(body: dict[str, Any], code: int) -> dict[str, Any]:
    """What OpenRouter makes of the answer of the provider behind it."""
    raw = {"raw": json.dumps(body), "provider_name": "Other"}
    return {"error": {"message": "Provider returned error", "code": code, "metadata": raw}}


def vllm(message: str) -> dict[str, Any]:
    """vLLM's, SGLang's and TensorRT-LLM's shape."""
    kind = {"type": "BadRequestError", "param": None, "code": 400}
    return {"object": "error", "message": message} | kind


GOOGLE_LONG = (
    "The input token count (1196265) exceeds the maximum number of tokens allowed (1048576)."
)
ANTHROPIC_LONG = "prompt is too long: 213462 tokens > 200000 maximum"


def anthropic(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def google(code: int, status: str, message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status} | more}


OVERFLOWS: dict[str, tuple[int, Any]] = {
    "OpenAI": (
        400,
        openai(
            "Your input exceeds the context window of this model. Please adjust your input.",
            param="input",
            code="context_length_exceeded",
        ),
    ),
    "OpenAI, one message": (
        400,
        openai("Invalid 'messages[2].content': string too long.", code="string_above_max_length"),
    ),
    "Azure": (
        400,
        openai(
            "This model's maximum context length is 128000 tokens. However, your messages resulted "
            "in 131313 tokens. Please reduce the length of the messages.",
            param="messages",
            code="context_length_exceeded",
        ),
    ),
    "Anthropic": (400, anthropic("invalid_request_error", ANTHROPIC_LONG)),
    "Anthropic, with the output": (
        400,
        anthropic(
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 190758 + 16384 > 200000, decrease "
            "input length or `max_tokens` and try again",
        ),
    ),
    "Anthropic, bytes": (413, anthropic("request_too_large", "Request exceeds the maximum size")),
    "Gemini": (400, google(400, "INVALID_ARGUMENT", GOOGLE_LONG)),
    "Gemini, in a string": (
        400, openai(json.dumps(google(400, "INVALID_ARGUMENT", GOOGLE_LONG)), code=400),
    ),
    "Groq": (
        400,
        openai(
            "Please reduce the length of the messages or completion.",
            param="messages",
            code="context_length_exceeded",
        ),
    ),
    "xAI": (
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "This model's maximum prompt length is 131072 but the request contains 140000 "
            "tokens.",
        },
    ),
    "Kimi": (
        400,
        openai("Invalid request: Your request exceeded model token limit: 8192 (requested: 9001)"),
    ),
    "z.ai": (400, {"error": {"code": "1261", "message": "Prompt exceeds max length"}}),
    "z.ai, only its code": (400, {"error": {"code": "1261", "message": "Prompt 超长"}}),
    "DashScope": (
        400,
        openai(
            "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 98304]",
            code="invalid_parameter_error",
        ),
    ),
    "OpenRouter": (
        400,
        {
            "error": {
                "message": "This endpoint's maximum context length is 32768 tokens. However, you "
                "requested about 42832 tokens (42832 of text input). Please reduce the length of "
                'either one, or use the "middle-out" transform.',
                "code": 400,
            }
        },
    ),
    "OpenRouter, of Anthropic": (
        400, wrapped(anthropic("invalid_request_error", ANTHROPIC_LONG), 400),
    ),
    "Together": (
        422,
        openai(
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 32769. Given: "
            "40000 `inputs` tokens and 1024 `max_new_tokens`"
        ),
    ),
    "Databricks": (
        400, {"error_code": "BAD_REQUEST", "message": "Input is too long for requested model."},
    ),
    "vLLM": (
        400,
        vllm(
            "The decoder prompt (length 10127) is longer than the maximum model length of 8192. "
            "Make sure that `max_model_len` is no smaller than the number of text tokens."
        ),
    ),
    "vLLM, with the output": (
        400,
        vllm(
            "This model's maximum context length is 32768 tokens. However, you requested 41648 "
            "tokens (37552 in the messages, 4096 in the completion)."
        ),
    ),
    "vLLM, wrapped": (400, {"error": vllm("The context length is only 8192 tokens.")}),
    "SGLang": (
        400,
        vllm("The input (61709 tokens) is longer than the model's context length (40960 tokens)."),
    ),
    "TensorRT-LLM": (
        400,
        vllm(
            "The sum of prompt length (72417.0), query length (0) should not exceed max_num_tokens "
            "(69632)"
        ),
    ),
    "TensorRT-LLM, Triton": (
        500, {"error": "Prompt length (5056) exceeds maximum input length (2048)"},
    ),
    "llama.cpp": (
        400,
        {
            "error": {
                "code": 400,
                "message": "the request exceeds the available context size, try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 9000,
                "n_ctx": 4096,
            }
        },
    ),
    "llama.cpp, older": (
        500, {"error": {"code": 500, "message": "context size exceeded", "type": "server_error"}},
    ),
    "Ollama": (
        500, openai("prompt too long; exceeded max context length by 4 tokens", type="api_error"),
    ),
    "Ollama, native": (500, {"error": "the input length exceeds the context length"}),
    "LM Studio": (
        400, {"error": "The number of tokens to keep is greater than the context length (4096)."},
    ),
    "DeepSeek": (
        400,
        openai(
            "This model's maximum context length is 65536 tokens. However, you requested 70001.",
            code="invalid_request_error",
        ),
    ),
    "Mistral": (
        400,
        {
            "object": "error",
            "message": "Prompt contains 40000 tokens, too large for model with 32768 maximum "
            "context length",
            "code": "3051",
        },
    ),
    "Cohere": (
        400,
        {"message": "too many tokens: total number of tokens in the prompt cannot exceed 4081"},
    ),
    "Cerebras": (
        400,
        openai("Please reduce the length of the messages. Current length is 9 while limit is 8"),
    ),
    "a gateway that says nothing else": (413, "<html><h1>413 Request Entity Too Large</h1></html>"),
}  # fmt: skip
BUSY: dict[str, tuple[int, Any]] = {
    "too many tokens a day, Bedrock": (
        429, {"message": "Too many tokens per day, please wait before trying again."},
    ),
    "too many tokens, Bedrock": (
        429, {"message": "Too many tokens, please wait before trying again."},
    ),
    "too many tokens a day, Groq": (
        429,
        openai(
            "Rate limit reached for model `x` on tokens per day (TPD): Limit 100000, Used 99000, "
            "Requested 2000. Please try again in 14m24s.",
            type="tokens",
            code="rate_limit_exceeded",
        ),
    ),
    "a quota a day, Gemini": (
        429,
        google(
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota, please check your plan and billing details.",
        ),
    ),
    "input tokens a minute, Anthropic": (
        429,
        anthropic(
            "rate_limit_error",
            "This request would exceed your organization's rate limit of 40,000 input tokens per "
            "minute: prompt length and maximum tokens are too long for it now",
        ),
    ),
    "concurrency, z.ai": (429, {"error": {"code": "1302", "message": "High concurrency usage"}}),
    "bytes and rate, Groq": (
        413,
        openai(
            "Request too large for model `x` on tokens per minute (TPM): Limit 6000, Used 5000, "
            "Requested 2000",
            type="tokens",
            code="rate_limit_exceeded",
        ),
    ),
}  # fmt: skip
FILTERED: dict[str, tuple[int, Any]] = {
    "Azure": (
        400,
        openai(
            "The response was filtered due to the prompt triggering our content management policy.",
            code="content_filter",
            innererror={"code": "ResponsibleAIPolicyViolation"},
        ),
    ),
    "OpenAI": (
        400,
        openai(
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
            code="invalid_prompt",
        ),
    ),
    "DashScope": (
        400,
        openai("Input data may contain inappropriate content.", code="data_inspection_failed"),
    ),
    "OpenRouter": (
        403,
        {
            "error": {
                "code": 403,
                "message": "x requires moderation on Other. Your input was flagged for 'violence'.",
            }
        },
    ),
    "xAI": (403, {"code": "forbidden", "error": "Content violates usage guidelines."}),
    "Kimi": (400, openai("The request was rejected because it was considered high risk")),
    "z.ai": (400, {"error": {"code": "1301", "message": "系统检测到输入可能包含敏感内容"}}),
    "a firewall": (403, "<html><title>Attention Required!</title></html>"),
    "more in one request than in a minute": (
        429,
        openai("Request too large for x on tokens per min (TPM): Limit 30000, Requested 40000."),
    ),
}  # fmt: skip
CLOSED: dict[str, tuple[int, Any]] = {
    "wrong key, OpenAI": (
        401, openai("Incorrect API key provided: sk-no.", code="invalid_api_key"),
    ),
    "wrong key, Gemini": (
        400,
        google(
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
            details=[{"reason": "API_KEY_INVALID"}],
        ),
    ),
    "wrong key, xAI": (400, {"code": "x", "error": "Incorrect API key provided: xa***no."}),
    "not allowed": (403, google(403, "PERMISSION_DENIED", "The caller does not have permission")),
    "no money, OpenAI": (
        429,
        openai("You exceeded your current quota.", code="insufficient_quota"),
    ),
    "no money, Anthropic": (
        400,
        anthropic("invalid_request_error", "Your credit balance is too low to access the API."),
    ),
    "no money, DeepSeek": (402, openai("Insufficient Balance")),
    "no money, OpenRouter": (
        402,
        {"error": {"code": 402, "message": "This requires more credits, or fewer max_tokens."}},
    ),
    "no money, z.ai": (
        429, {"error": {"code": "1113", "message": "Insufficient balance. Please recharge."}},
    ),
    "no money, Kimi": (
        429, openai("Your account is suspended, recharge", type="exceeded_current_quota_error"),
    ),
    "no money, DashScope": (
        400, openai("Access denied, make sure your account is in good standing.", code="Arrearage"),
    ),
    "no such model, OpenAI": (
        404, openai("The model `gpt-9` does not exist.", code="model_not_found"),
    ),
    "no such model, DeepSeek": (400, openai("Model Not Exist")),
    "no such path": (404, {"detail": "Not Found"}),
}  # fmt: skip
HINTS: dict[str, tuple[int, Any, str]] = {
    "no tool parser, vLLM": (
        400,
        vllm('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser'),
        "model.tools=text",
    ),
    "no tools, Ollama": (
        400, openai("registry.ollama.ai/library/x does not support tools"), "model.tools=text",
    ),
    "no tools, OpenRouter": (
        404,
        {"error": {"message": "No endpoints found that support tool use.", "code": 404}},
        "model.tools=text",
    ),
    "no templates, llama.cpp": (
        500,
        {"error": {"code": 500, "message": "tools param requires --jinja flag"}},
        "model.tools=text",
    ),
    "a temperature that is refused": (
        400,
        openai(
            "Unsupported value: 'temperature' does not support 0.5 with this model. Only the "
            "default (1) value is supported.",
            param="temperature",
            code="unsupported_value",
        ),
        "model.temperature=null",
    ),
    "more output than a model can, OpenAI": (
        400,
        openai("max_tokens is too large: 50. This model supports at most 40 completion tokens."),
        "model.max_output_tokens",
    ),
    "more output than a model can, Anthropic": (
        400,
        anthropic(
            "invalid_request_error",
            "max_tokens: 50 > 40, which is the maximum allowed number of output tokens for x",
        ),
        "model.max_output_tokens",
    ),
}  # fmt: skip
