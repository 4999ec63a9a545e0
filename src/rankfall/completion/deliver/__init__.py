"""From what was found to the delivered result: last fit, certificate, warnings."""
