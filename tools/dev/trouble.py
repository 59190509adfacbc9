"""What stops dev.py: one clear sentence with the remedy."""

from __future__ import annotations


class Trouble(Exception):
    """Something the person at the keyboard can mend; the message says what and how."""
