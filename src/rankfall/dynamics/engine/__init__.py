"""A run in progress: its state, what happens between two kernel calls, and how it is kept on disk."""
