"""The laboratory: the demonstration on real data, and studies of the falling rank."""
