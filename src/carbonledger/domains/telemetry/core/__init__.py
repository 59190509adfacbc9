"""Pure telemetry: what a provider's answer or a span says about usage."""
