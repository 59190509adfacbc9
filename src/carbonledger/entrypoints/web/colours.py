"""The colour of a series: a hue for each family of models, the same on every plot; grey for all the others together.

Owns names of colours, not colours: those are tokens of the style sheet, told apart by lightness as well as by hue.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Final

REST: Final = "s-rest-1"
_SHADES: Final = 3
_FAMILIES: Final = (
    ("openai", re.compile(r"gpt|^o\d|chatgpt|text-embedding|davinci|whisper|dall-e|sora|codex")),
    ("anthropic", re.compile(r"claude")),
    ("google", re.compile(r"gemini|gemma|palm|imagen|veo")),
    ("meta", re.compile(r"llama")),
    ("mistral", re.compile(r"mistral|mixtral|codestral|ministral|pixtral|magistral|devstral")),
)
_ORDER: Final = ("openai", "anthropic", "google", "meta", "mistral", "others")


def family(model: str) -> str:
    """Return the family of a model by its name."""
    bare = model.rpartition("/")[2].lower()
    return next((name for name, pattern in _FAMILIES if pattern.search(bare)), "others")


def of_models(models: Sequence[str]) -> dict[str, str]:
    """Return a colour for each model of a plot: the hue of its family, a shade that its name decides.

    So a model looks the same on every page, unless another of the plot has its shade already; then it takes the next one.
    """
    taken: set[str] = set()
    found = {}
    for model in sorted(set(models)):
        first = zlib.crc32(model.encode())
        shades = [f"s-{family(model)}-{(first + step) % _SHADES + 1}" for step in range(_SHADES)]
        found[model] = next((shade for shade in shades if shade not in taken), shades[0])
        taken.add(found[model])
    return found


def in_order(labels: Sequence[str]) -> dict[str, str]:
    """Return a colour for each of other things than models, in the fixed order of hues."""
    hues = [f"s-{name}-{shade}" for shade in range(1, _SHADES + 1) for name in _ORDER]
    return {label: hues[place % len(hues)] for place, label in enumerate(dict.fromkeys(labels))}
