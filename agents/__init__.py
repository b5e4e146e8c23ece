"""The systems that are compared: control flow over the protocols of `harness.protocols`."""
