"""``rankfall certify``: the certificate of a saved completion."""

from __future__ import annotations

import sys
from pathlib import Path

from ..completion import load
from ..completion.descent.watched_run import sentence
from ..report.adapters.completion import certificate_table
from .exit_codes import NOT_CONVERGED
from .show import Printer

NOTHING = (
    "There is no certificate: no SGD chain met the delivered rank, or there was no time to watch one. "
    "Another --seed of rankfall complete, or more --max-time, may find one."
)


def run(result: Path, as_json: bool) -> int:
    """Print the certificate; 0 if it holds, 3 otherwise."""
    completion = load(result)
    completion = getattr(completion, "latent", completion)  # of several kinds: the network's table
    certificate, printer = completion.certificate, Printer(sys.stdout)
    holds = certificate is not None and certificate.holds
    code = 0 if holds else NOT_CONVERGED
    words = sentence(certificate) or NOTHING
    if as_json:
        plain = None if certificate is None else certificate.as_dict()
        printer.json({"input": str(result), "holds": holds, "sentence": words, "certificate": plain})
        return code
    if certificate is None:
        printer.text(words)
        return code
    table = certificate_table(completion)
    assert table is not None
    printer.text(certificate.claim if holds else words)
    printer.text("")
    printer.table(table)
    printer.text("")
    for text in certificate.assumptions:
        printer.text(f"Assumed: {text}")
    return code
