"""The systems that are compared: control flow over the protocols of `harness.protocols`."""

DISTRIBUTION = "delm-harness"  # openai-agents installs a package of this name, too
