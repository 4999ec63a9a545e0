"""The figures of the packaged studies."""
