"""Stateful stand-ins of outside systems (providers, processor, channels) for the demo and the tests."""
