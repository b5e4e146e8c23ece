"""Names of OpenTelemetry's semantic conventions for generative AI, and what is added to them.

All of them stand here, because the conventions still change (these are of version 1.41). Names of
this project's own begin with `delm.`.
"""

OPERATION = "gen_ai.operation.name"
WORKFLOW, INVOKE_AGENT, CHAT, EXECUTE_TOOL = (
    "invoke_workflow", "invoke_agent", "chat", "execute_tool",
)  # fmt: skip

WORKFLOW_NAME = "gen_ai.workflow.name"
AGENT_NAME = "gen_ai.agent.name"
AGENT_ID = "gen_ai.agent.id"
CONVERSATION = "gen_ai.conversation.id"
PROVIDER = "gen_ai.provider.name"
MODEL = "gen_ai.request.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"  # all of the prompt, cached or not
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
TOOL_NAME = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_CALL_ID = "gen_ai.tool.call.id"
ERROR_TYPE = "error.type"

# content: only where it is asked for
SYSTEM_TEXT = "gen_ai.system_instructions"
INPUT = "gen_ai.input.messages"
OUTPUT = "gen_ai.output.messages"
TOOLS = "gen_ai.tool.definitions"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"

# an event of a trial: the grade of a submission
GRADE = "gen_ai.evaluation.result"
GRADE_NAME = "gen_ai.evaluation.name"
GRADE_VALUE = "gen_ai.evaluation.score.value"
GRADE_LABEL = "gen_ai.evaluation.score.label"

# no convention has it; several tools read it under this name
COST_USD = "gen_ai.usage.cost"

RUN = "delm.run"
INSTANCE = "delm.instance_id"
TRIAL = "delm.trial"
ATTEMPT = "delm.attempt"
STATE = "delm.state"
REASON = "delm.reason"
AGENTS = "delm.agents"
AUTHOR = "delm.author"
SELECTED = "delm.selected"
SALVAGED = "delm.salvaged"
FLAGS = "delm.flags"
OUTCOME = "delm.outcome"
POSITION = "delm.position"
ATTEMPTS_SENT = "delm.attempts_sent"
ACTIVITY = "delm.activity"
SERVED_BY = "delm.served_by_call"
BEFORE = "delm.input_messages_before"  # that the prompt holds before those of `INPUT`

PROVIDERS = {
    # litellm's words: the convention's. The others are the same, or unknown to the convention.
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
