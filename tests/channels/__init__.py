"""Channels: files and commands."""
