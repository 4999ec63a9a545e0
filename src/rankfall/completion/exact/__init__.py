"""Is there an exact fit? Search, precision of the values, uniqueness of the fit."""
