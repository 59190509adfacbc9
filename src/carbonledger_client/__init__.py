"""The Python SDK and the user commands: they reach a server over HTTP only and never import it.

``client.Client`` is the way in; what it returns is in ``models``, what it raises in ``errors``.
"""
