"""What a completion delivers: predictions, intervals, new rows, files."""
