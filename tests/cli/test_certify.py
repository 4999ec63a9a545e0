"""``rankfall certify``: one sentence and the inequalities, whether they hold or not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import rankfall as rf
from rankfall.theory import Certificate, Condition


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    problem, _ = rf.datasets.low_rank((40, 35), rank=2, observed=0.5, seed=0)
    path = tmp_path_factory.mktemp("certify") / "result.npz"
    rf.complete(problem, seed=0).save(path)
    return path


def test_the_inequalities_are_printed(rankfall, saved):
    ran = rankfall("certify", saved)
    assert ran.code == 0 and not ran.err
    assert "at least 0.999" in ran.out and "trusted at rank 2" in ran.out
    for word in ("inequality", "left side", "right side", "margin", "source", "charges", "Theorem 6"):
        assert word in ran.out
    assert "Assumed: This is about SGD" in ran.out


def test_json(rankfall, saved):
    ran = rankfall("certify", saved, "--json")
    facts = json.loads(ran.out)
    assert ran.code == 0 and facts["holds"] and facts["certificate"]["rank"] == 2
    assert facts["certificate"]["holds"] is True
    assert facts["sentence"] == rf.load(saved).summary(certificate=True).splitlines()[3]


def test_what_does_not_hold_is_shown(rankfall, saved, tmp_path):
    failing = Certificate("Theorem 3", "no", (Condition("x", "2 <= 1", 2.0, 1.0, "nowhere"),))
    for certificate, word, n_lines in ((None, "no certificate", 1), (failing, "2 <= 1 fails", None)):
        path = tmp_path / "other.npz"
        replace(rf.load(saved), watched=certificate).save(path)
        ran = rankfall("certify", path)
        assert ran.code == 3 and word in ran.out.splitlines()[0]
        assert n_lines is None or len(ran.out.splitlines()) == n_lines
        assert n_lines or all(name in ran.out for name in ("inequality", "margin", "2 <= 1", "nowhere"))
        facts = json.loads(rankfall("certify", path, "--json").out)
        assert facts["holds"] is False


def test_bad_input(rankfall, tmp_path):
    ran = rankfall("certify", tmp_path / "nothing.npz")
    assert ran.code == 2 and len(ran.err.splitlines()) == 1
