"""From results to the plain tables of a report."""
