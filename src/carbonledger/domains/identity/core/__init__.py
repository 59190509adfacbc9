"""Decisions of identity: values in, values out. Random bits and the time are arguments."""
