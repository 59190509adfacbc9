"""House lint: rules that ruff, mypy and import contracts can't state, each with the harm it prevents.

`python -m tools.house` reads the whole repository in one pass. A rule is a class in `rules/`; its docstring is the harm. A finding
is allowed in place, visibly and with a reason: `# house: allow <rule> - <reason>` on its line or the line above.
"""
