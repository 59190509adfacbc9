"""The Python SDK and the user commands: they reach a server over HTTP only and never import it."""
