"""Equivariant completions on disk: arrays and JSON, no pickle.

Groups and representations are kept by the images of their generators, so that reading checks them as their
constructors do; frames are certified again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from os import PathLike
from typing import Any, Literal, cast

import numpy as np

from ..argument_checks import flag, number, one_of, positive, text, whole
from ..dynamics import GD, SGD, Geometric
from ..errors import InputError
from ..files.plain_values import any_number, listed, mapping, nullable, record
from ..files.schema import Field, Saved, Schema, blamed_on, cells_in_order
from ..problem import Problem
from ..theory.certificate import read_certificate
from .decomposition import Decomposition, Irrep, certified
from .groups import Group
from .maps import EquivariantMaps
from .network import EquivariantNetwork
from .representations import Representation
from .trace import EquivariantTrace

KIND = "symmetric completion"
# entries of orthonormal columns, with room for rounding
_UNIT: dict[str, Any] = {"least": -1.001, "most": 1.001}
_ANY: tuple[Literal["nan", "inf"], ...] = ("nan", "inf")
_size = partial(whole, least=1, most=2**31)
_count = partial(whole, least=0, most=2**31)
_ACTIONS = ("permutations", "matrices")
# fields of a completion that are written as they are
PLAIN = ("unit", "settled", "errors", "seconds")

_meta = record(
    {
        "shape": listed(_size, length=2),
        "group": text,
        "actions": listed(partial(one_of, allowed=_ACTIONS), length=2),
        "one_representation": flag,
        "irreps": listed(
            record(
                {
                    "name": text,
                    "dimension": _size,
                    "endomorphisms": partial(one_of, allowed=(1, 2, 4)),
                    # those of irreps that rows and columns do not share are None
                    "copies": nullable(listed(_count, least=3)),
                    "rank": nullable(_count),
                }
            ),
            least=1,
        ),
        "optimiser": record(
            {
                "lr": positive,
                "ridges": listed(positive, length=2),
                "falls_for": _size,
                "n_steps": _size,
                "batch_size": nullable(_size),
            }
        ),
        "rank_tol": partial(number, least=0, below=1),
        "certificate": nullable(read_certificate),
        "unit": positive,
        "settled": flag,
        "errors": mapping(any_number),
        "seconds": partial(number, least=0),
    }
)


def _fields(meta: Mapping[str, Any]) -> list[Field]:
    fields = [
        Field("rows", "index", ("N",), of="m"),
        Field("cols", "index", ("N",), of="n"),
        Field("values", "float", ("N",)),
        Field("generators", "index", ("g", "p"), of="p"),
        Field("steps", "whole", ("R",), least=0, order="increasing"),
        Field("train_loss", "float", (1, "R"), allowing=_ANY),
        Field("baseline", "float", ("m", "n"), optional="baseline"),
    ]
    for side, length, action in zip(("rows", "columns"), ("m", "n"), meta["actions"], strict=True):
        if action == "permutations":
            fields.append(Field(f"{side}_images", "index", ("g", length), of=length))
        else:
            fields.append(Field(f"{side}_images", "float", ("g", length, length), **_UNIT))
    for k, irrep in enumerate(meta["irreps"]):
        d, e, copies = irrep["dimension"], irrep["endomorphisms"], irrep["copies"]
        fields += [
            Field(f"irrep_{k}_matrices", "float", ("g", d, d), **_UNIT),
            Field(f"irrep_{k}_basis", "float", (e, d, d), **_UNIT),
            Field(f"irrep_{k}_rows", "float", (f"r{k}", "m", d), **_UNIT),
            Field(f"irrep_{k}_columns", "float", (f"c{k}", "n", d), **_UNIT),
        ]
        if copies is None:
            continue
        fields += [
            Field(f"irrep_{k}_weights_{l}", "float", (e, copies[l + 1], copies[l]))
            for l in range(len(copies) - 1)
        ]
        fields += [
            Field(f"irrep_{k}_answer", "float", (e, copies[-1], copies[0])),
            Field(f"irrep_{k}_spectrum", "float", (1, "R", f"s{k}"), allowing=_ANY),
            Field(f"irrep_{k}_hidden", "float", (1, "R", len(copies) - 2, f"h{k}"), allowing=_ANY),
        ]
    return fields


def _shared(saved: Saved) -> str | None:
    irreps = saved.meta["irreps"]
    depths = {len(each["copies"]) for each in irreps if each["copies"] is not None}
    ranked = all((each["copies"] is None) == (each["rank"] is None) for each in irreps)
    named = len({each["name"] for each in irreps}) == len(irreps)
    if len(depths) != 1 or not ranked or not named:
        return "its irreps do not belong to one network."
    spectra = [name for name in saved if name.endswith(("_spectrum", "_hidden")) and not saved[name].size]
    return f"{spectra[0]} is empty." if spectra else None


SCHEMA = Schema(
    KIND,
    _fields,
    _meta,
    binds={"shape": ("m", "n")},
    not_empty=("N", "p", "R"),
    rules=(cells_in_order("rows", "cols"), _shared),
)


# -- there -----------------------------------------------------------------------------------------------


def write(path: str | PathLike[str], fields: Mapping[str, Any]) -> None:
    """Write the fields of a completion to one archive, whole or not at all."""
    problem, maps, trace = fields["problem"], fields["maps"], fields["trace"]
    rows, columns = maps.rows.representation, maps.columns.representation
    group = rows.group
    arrays: dict[str, np.ndarray] = {
        "rows": problem.rows,
        "cols": problem.cols,
        "values": np.asarray(problem.values, np.float64),
        "generators": group.elements[group.generators],
        "steps": trace.steps,
        "train_loss": trace.train_loss,
        "rows_images": _images(rows),
        "columns_images": _images(columns),
    }
    if fields["baseline"] is not None:
        arrays["baseline"] = fields["baseline"]
    irreps: list[dict[str, Any]] = []
    for k, irrep in enumerate(maps.rows.irreps):
        name = irrep.name
        arrays |= {
            f"irrep_{k}_matrices": irrep.matrices[group.generators],
            f"irrep_{k}_basis": irrep.basis,
            f"irrep_{k}_rows": maps.rows.frames[k],
            f"irrep_{k}_columns": maps.columns.frames[k],
        }
        weights = fields["network"].blocks.get(name)
        if weights is not None:
            arrays |= {f"irrep_{k}_weights_{l}": W for l, W in enumerate(weights)}
            arrays |= {
                f"irrep_{k}_answer": fields["blocks"][name],
                f"irrep_{k}_spectrum": trace.singular_values[name],
                f"irrep_{k}_hidden": trace.hidden_singular_values[name],
            }
        irreps.append(
            {
                "name": name,
                "dimension": irrep.dimension,
                "endomorphisms": irrep.endomorphisms,
                "copies": None if weights is None else list(fields["network"].copies[name]),
                "rank": fields["ranks"].get(name),
            }
        )
    optimiser, certificate = trace.optimiser, fields["certificate"]
    meta = {
        "shape": list(problem.shape),
        "group": group.name,
        "actions": [_ACTIONS[each.permutations is None] for each in (rows, columns)],
        "one_representation": rows is columns,
        "irreps": irreps,
        "optimiser": {
            "lr": optimiser.lr.value,
            "ridges": [optimiser.ridge.first, optimiser.ridge.last],
            "falls_for": optimiser.ridge.n_steps,
            "n_steps": optimiser.n_steps,
            "batch_size": optimiser.batch_size if isinstance(optimiser, SGD) else None,
        },
        "rank_tol": trace.rank_tol,
        "certificate": None if certificate is None else certificate.as_dict(),
        **{name: fields[name] for name in PLAIN},
    }
    SCHEMA.write(path, arrays, meta)


def _images(rho: Representation) -> np.ndarray:
    """What the generators do."""
    matrices = rho.matrices if rho.permutations is None else rho.permutations
    return matrices[rho.group.generators]


# -- and back --------------------------------------------------------------------------------------------


def read(path: str | PathLike[str]) -> dict[str, Any]:
    """The fields of a completion that :func:`write` wrote.

    Raises
    ------
    InputError
        If the file is not one of ours, is damaged, or was written by a later format.
    """
    saved = SCHEMA.read(path)
    meta = saved.meta
    with blamed_on(path):
        problem = Problem(saved["rows"], saved["cols"], saved["values"], meta["shape"])
        maps = _maps(saved)
        used = {k: each["name"] for k, each in enumerate(meta["irreps"]) if each["copies"] is not None}
        if list(used.values()) != list(maps.sizes):
            raise InputError("its network has other irreps than its representations share.")
        depth = len(next(each["copies"] for each in meta["irreps"] if each["copies"] is not None)) - 1
        blocks = {n: tuple(saved[f"irrep_{k}_weights_{l}"] for l in range(depth)) for k, n in used.items()}
        network = EquivariantNetwork(maps, blocks)
        scaled = problem.with_values(problem.values / meta["unit"])
        trace = EquivariantTrace(
            saved["steps"],
            {each.name: each.dimension for each in maps.irreps},
            {name: saved[f"irrep_{k}_spectrum"] for k, name in used.items()},
            {name: saved[f"irrep_{k}_hidden"] for k, name in used.items()},
            saved["train_loss"],
            (network,),
            scaled,
            _optimiser(meta["optimiser"]),
            meta["rank_tol"],
        )
    return {
        "problem": problem,
        "maps": maps,
        "network": network,
        "trace": trace,
        "ranks": {name: meta["irreps"][k]["rank"] for k, name in used.items()},
        "blocks": {name: saved[f"irrep_{k}_answer"] for k, name in used.items()},
        "certificate": meta["certificate"],
        "baseline": saved.get("baseline"),
        **{name: meta[name] for name in PLAIN},
    }


def _maps(saved: Saved) -> EquivariantMaps:
    """The spaces between which the matrices map, checked like new ones."""
    meta, generators = saved.meta, saved["generators"]
    identity: list[list[int]] = [list(range(generators.shape[1]))]
    group = Group.from_permutations(generators if len(generators) else identity, name=meta["group"])
    if group.generators.size != len(generators):
        raise InputError("one of its generators moves nothing.")
    irreps = tuple(_irrep(saved, group, k) for k in range(len(meta["irreps"])))

    def decomposition(side: str, action: str, dimension: int) -> Decomposition:
        images = saved[f"{side}_images"]
        if not len(images):
            rho = Representation.trivial(group, dimension)
        elif action == "permutations":
            rho = Representation.permutation(group, images)
        else:
            rho = Representation.from_matrices(group, images)
        frames = tuple(saved[f"irrep_{k}_{side}"] for k in range(len(irreps)))
        return Decomposition(rho, irreps, frames, certified(rho, irreps, frames))

    rows = decomposition("rows", meta["actions"][0], meta["shape"][0])
    if meta["one_representation"]:
        return EquivariantMaps(rows, rows)
    return EquivariantMaps(rows, decomposition("columns", meta["actions"][1], meta["shape"][1]))


def _irrep(saved: Saved, group: Group, k: int) -> Irrep:
    each = saved.meta["irreps"][k]
    tau = Representation.from_matrices(group, saved[f"irrep_{k}_matrices"])
    d, e = each["dimension"], each["endomorphisms"]
    if round(float(np.mean(tau.character**2))) != e:
        raise InputError(f"the matrices of {each['name']} commute with another algebra.")
    return Irrep(each["name"], d, e, tau.character, tau.matrices, saved[f"irrep_{k}_basis"])


def _optimiser(meta: Mapping[str, Any]) -> GD | SGD:
    first, last = cast("tuple[float, float]", meta["ridges"])
    ridge = Geometric(first, last, meta["falls_for"])
    if meta["batch_size"] is None:
        return GD(lr=meta["lr"], ridge=ridge, n_steps=meta["n_steps"])
    return SGD(lr=meta["lr"], ridge=ridge, n_steps=meta["n_steps"], batch_size=meta["batch_size"])
