"""Names of attributes, operations and providers, as instrumentations write them, newest first.

Sources, read 2026-11: OpenTelemetry's GenAI conventions (v1.27 to v1.41), OpenLLMetry, OpenInference, Pydantic AI, Sentry.
"""

from __future__ import annotations

from types import MappingProxyType

# Counts of tokens, by what they count; of a span's names the first that it has.
COUNTS = MappingProxyType(
    {
        "input": (
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.prompt_tokens",
            "llm.usage.input_tokens",
            "llm.usage.prompt_tokens",
            "llm.token_count.prompt",
        ),
        "output": (
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.completion_tokens",
            "llm.usage.output_tokens",
            "llm.usage.completion_tokens",
            "llm.token_count.completion",
        ),
        "total": ("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total"),
        "cached": (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.input_tokens.cached",
            "gen_ai.usage.details.cache_read_tokens",
            "gen_ai.usage.details.cache_read_input_tokens",
            "llm.usage.cache_read_input_tokens",
            "llm.token_count.prompt_details.cache_read",
        ),
        "written": (
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.input_tokens.cache_write",
            "gen_ai.usage.details.cache_write_tokens",
            "gen_ai.usage.details.cache_creation_input_tokens",
            "llm.usage.cache_creation_input_tokens",
            "llm.token_count.prompt_details.cache_write",
        ),
        "reasoning": (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.output_tokens.reasoning",
            "gen_ai.usage.details.reasoning_tokens",
            "llm.usage.reasoning_tokens",
            "llm.token_count.completion_details.reasoning",
        ),
    }
)
MODELS = (
    "gen_ai.response.model",
    "llm.response.model_name",
    "llm.response.model",
    "gen_ai.request.model",
    "llm.request.model",
    "llm.model_name",
    "embedding.model_name",
)
PROVIDERS = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.vendor", "llm.system")
OPERATIONS = ("gen_ai.operation.name", "openinference.span.kind", "llm.request.type", "traceloop.span.kind", "sentry.op")
RESPONSE_IDS = ("gen_ai.response.id", "llm.response.id")
SERVICE_TIERS = (
    "openai.response.service_tier",
    "gen_ai.openai.response.service_tier",
    "openai.request.service_tier",
    "gen_ai.openai.request.service_tier",
)
ADDRESS = "server.address"
PROJECT = "carbonledger.project_id"
AGENT = "carbonledger.agent_id"
ACCOUNT = "carbonledger.account"
# What of a span, or of its resource, is kept beside the event: enough to find it again and to group by, nothing that people wrote.
KEPT_OF_SPAN = ("gen_ai.response.id", "gen_ai.agent.id", "gen_ai.agent.name")
KEPT_OF_RESOURCE = ("service.name",)
ONLY_KEPT = frozenset((*KEPT_OF_SPAN, *KEPT_OF_RESOURCE)).difference(RESPONSE_IDS)
# Every name that is read. What stands under any other is content, which nobody looks at.
READ_OF_SPAN = frozenset(
    (
        *(name for found in COUNTS.values() for name in found),
        *(*MODELS, *PROVIDERS, *OPERATIONS, *RESPONSE_IDS, *SERVICE_TIERS, *KEPT_OF_SPAN),
        *(ADDRESS, PROJECT, AGENT, ACCOUNT),
    )
)
READ_OF_RESOURCE = frozenset((*KEPT_OF_RESOURCE, PROJECT, AGENT, ACCOUNT))

# Operations that are calls of a model, by all their names.
CALLS = MappingProxyType(
    {
        "chat": "chat",
        "call_llm": "chat",
        "llm": "chat",
        "generate_content": "generate_content",
        "text_completion": "text_completion",
        "completion": "text_completion",
        "embeddings": "embeddings",
        "embedding": "embeddings",
    }
)
# What stands around calls; its usage, if it has any, is the sum of theirs.
WRAPPERS = frozenset(
    (
        "agent",
        "chain",
        "create_agent",
        "evaluator",
        "execute_tool",
        "guardrail",
        "handoff",
        "invoke_agent",
        "invoke_workflow",
        "pipeline",
        "plan",
        "prompt",
        "rerank",
        "reranker",
        "retrieval",
        "retriever",
        "task",
        "tool",
        "workflow",
    )
)
PROVIDER_IDS = MappingProxyType(
    {
        "amazon": "aws",
        "amazon_bedrock": "aws",
        "aws.bedrock": "aws",
        "bedrock": "aws",
        "az.ai.inference": "azure",
        "az.ai.openai": "azure",
        "azure.ai.inference": "azure",
        "azure.ai.openai": "azure",
        "azure_openai": "azure",
        "gcp.gemini": "google",
        "gcp.gen_ai": "google",
        "gcp.vertex.agent": "google",
        "gcp.vertex_ai": "google",
        "gemini": "google",
        "google_genai": "google",
        "vertex_ai": "google",
        "vertexai": "google",
        "fireworks_ai": "fireworks",
        "mistral_ai": "mistral",
        "mistralai": "mistral",
        "moonshot": "moonshotai",
        "together_ai": "together",
        "togetherai": "together",
        "x_ai": "x-ai",
        "xai": "x-ai",
        "z.ai": "zai",
    }
)
# Named as a provider by instrumentations of frameworks, which call others.
FRAMEWORKS = frozenset(
    (
        "agno",
        "autogen",
        "crewai",
        "dspy",
        "haystack",
        "langchain",
        "langgraph",
        "litellm",
        "llama_index",
        "llamaindex",
        "pydantic_ai",
        "semantic_kernel",
        "spring_ai",
        "strands_agents",
    )
)
# Whose address it is: a client of OpenAI's calls many providers, and says "openai" of all of them. With a dot or hyphen before: its end.
HOSTS = (
    ("api.openai.com", "openai"),
    (".api.openai.com", "openai"),
    (".openai.azure.com", "azure"),
    (".cognitiveservices.azure.com", "azure"),
    (".services.ai.azure.com", "azure"),
    ("api.anthropic.com", "anthropic"),
    ("generativelanguage.googleapis.com", "google"),
    ("aiplatform.googleapis.com", "google"),
    ("-aiplatform.googleapis.com", "google"),
    (".amazonaws.com", "aws"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral"),
    ("openrouter.ai", "openrouter"),
    ("api.deepseek.com", "deepseek"),
    ("api.together.xyz", "together"),
    ("api.together.ai", "together"),
    ("api.fireworks.ai", "fireworks"),
    ("api.x.ai", "x-ai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.cerebras.ai", "cerebras"),
    ("api.cohere.com", "cohere"),
    ("api.moonshot.ai", "moonshotai"),
    ("api.z.ai", "zai"),
)


def provider_at(address: str) -> str | None:
    """Return whose a host is, None if we do not know it."""
    host = address.lower().rstrip(".").rpartition("//")[2].partition("/")[0].partition(":")[0]
    return next((provider for name, provider in HOSTS if (host.endswith(name) if name[0] in ".-" else host == name)), None)
