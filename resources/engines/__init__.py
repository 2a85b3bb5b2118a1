"""Trace engines: what turns prompts into traces and forced answers."""
