"""Following a PyTorch run: norms and settings around every step of the optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf, isfinite
from typing import Any

import numpy as np

from ..errors import InputError
from .dense_factors import LARGEST, DenseFactors
from .layers import Plan, find_weights
from .modules import hook
from .momentum import MomentumWindow
from .optimisers import DESTROYED, Optimiser, Step
from .sum_bound import LargestTerms
from .torch_import import import_torch
from .weight import DIRECTION, PLAIN, Weight

# steps at the beginning whose gradients are all audited
_FIRST_AUDITS = 3
# squares of smaller entries may vanish in single precision
_TINY = 1e-12


class Following:
    """The hooks on an optimiser and the modules of a model, and the memory of every weight.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    model : torch.nn.Module
    factors : bool
    layers : iterable of str or None
    audit_every : int
    after : function
        Called after every step.
    """

    def __init__(
        self,
        optimizer: Any,
        model: Any,
        factors: bool,
        layers: Iterable[str] | None,
        audit_every: int,
        after: Callable[[], None],
    ) -> None:
        self._torch: Any = import_torch()
        self._settings = Optimiser(optimizer)
        self._optimizer = optimizer
        if not isinstance(model, self._torch.nn.Module):
            raise InputError(f"model must be a torch.nn.Module, not a {type(model).__name__}.")
        self.weights, plan = find_weights(optimizer, model, layers)
        self._watched: list[tuple[dict[str, Any], list[Weight]]] = []
        self._audit_every, self._tell = audit_every, after
        self.steps = 0
        self._handles: list[Any] = []
        for weight in self.weights:
            self._prepare(weight, factors, plan)
        self._handles += [hook(module, counted) for module, counted in plan.items()]
        self._find_groups()
        self._handles.append(optimizer.register_step_pre_hook(self._before))
        self._follow_gradients()
        self._handles.append(optimizer.register_step_post_hook(self._after))

    def _follow_gradients(self) -> None:
        """Hear of every gradient; of a frozen parameter once it is not frozen any more."""
        for weight in self.weights:
            if not weight.followed and weight.parameter.requires_grad:
                self._handles.append(weight.parameter.register_hook(weight.arrive))
                weight.followed = True

    def close(self) -> None:
        """Take the hooks off."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    # -- beginning
    # --------------------------------------------------------------------------------------------

    def _prepare(self, weight: Weight, factors: bool, plan: Plan) -> None:
        if not self._settings.plain:
            weight.reason = weight.reason or DESTROYED
        elif self._settings.momentum and weight.kind == DIRECTION:
            weight.reason = "with momentum the memory lemma has no form for weight normalisation"
        weight.memory = MomentumWindow(weight.limit) if self._settings.momentum else weight.memory
        weight.memory.limit = weight.limit
        if factors:
            self._keep_factors(weight, plan)
        # a gradient that is already there may have any rank
        weight.rows = weight.limit
        self._restart(weight)
        weight.restarts = 0

    def _keep_factors(self, weight: Weight, plan: Plan) -> None:
        nn = self._torch.nn
        uses = [module for module, counted in plan.items() if any(entry[0] is weight for entry in counted)]
        dense = bool(uses) and all(isinstance(module, nn.Linear) for module in uses)
        if not dense or weight.kind != PLAIN or max(weight.shape) > LARGEST:
            raise InputError(
                f"factors=True keeps the factors of dense layers of up to {LARGEST} inputs and outputs, and "
                f"{weight.name} is none; choose others with layers=[...]."
            )
        if self._settings.plain:
            weight.factors = DenseFactors(weight.parameter)
        else:
            weight.sums = LargestTerms(weight.limit, 0.0)

    def _velocity(self, weight: Weight) -> Any:
        return self._optimizer.state.get(weight.parameter, {}).get("momentum_buffer")

    def _norms(self, tensors: list[Any]) -> list[float]:
        """Frobenius norms; infinite where they are no numbers."""
        torch = self._torch
        if not tensors:
            return []
        norms = [torch.linalg.vector_norm(t if t.element_size() > 2 else t.float()) for t in tensors]
        device = norms[0].device
        values = torch.stack([n if n.device == device else n.to(device) for n in norms]).tolist()
        if min(values) < _TINY:
            pairs = zip(tensors, values, strict=True)
            values = [float(t.double().norm()) if value < _TINY else value for t, value in pairs]
        return [value if isfinite(value) else inf for value in values]

    def _restart(self, weight: Weight) -> None:
        """The parameter was set from outside."""
        velocity = self._velocity(weight)
        tensors = [weight.parameter.detach(), *([] if velocity is None else [velocity])]
        weight.restart(*(*self._norms(tensors), 0.0)[:2])
        weight.restarts += 1
        self._note_versions(weight)

    def _note_versions(self, weight: Weight) -> None:
        velocity = self._velocity(weight)
        weight.version = weight.parameter._version
        weight.buffer_version = None if velocity is None else (id(velocity), velocity._version)

    # -- every step ---------------------------------------------------------------------------------------

    def _find_groups(self) -> None:
        by_parameter = {id(weight.parameter): weight for weight in self.weights}
        self._watched = [
            (group, [by_parameter[id(p)] for p in group["params"] if id(p) in by_parameter])
            for group in self._optimizer.param_groups
        ]

    def _before(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        audited = self._audited(self.steps)
        self._follow_gradients()
        for weight in self.weights:
            changed = weight.version != weight.parameter._version
            if isinstance(weight.memory, MomentumWindow):
                velocity = self._velocity(weight)
                now = None if velocity is None else (id(velocity), velocity._version)
                changed = changed or weight.buffer_version != now
            if changed:
                self._restart(weight)
            elif audited and weight.copy is not None:
                if not self._torch.equal(weight.copy, weight.parameter.detach()):
                    weight.reason = (
                        weight.reason or "its entries were changed between two steps through .data"
                    )
                weight.copy = None
            if weight.sums is not None:
                weight.before = weight.parameter.detach().clone()
            if weight.kind == DIRECTION and not weight.reason:
                weight.row_factor = self._row_factor(weight, bool(args[1:] or kwargs))

    def _row_factor(self, weight: Weight, closure: bool) -> float:
        """``log max_i |a_i|`` of the rows of a direction, which weight normalisation stretches (1.1).

        Infinite where it is not known before the step: a closure computes the gradient inside, and a fused
        step of mixed precision scales it.
        """
        grad, gain = weight.gain.grad, weight.gain.detach()
        if grad is None or closure or getattr(self._optimizer, "grad_scale", None) is not None:
            return inf
        for group, weights in self._watched:
            if weight in weights:
                step = self._settings.step(group)
                square = weight.matrix().double().square().sum(1)
                stretch = step.sign * step.lr * (gain * grad).reshape(-1).double() / square
                largest = float((step.a + stretch).abs().max())
                return float(np.log(largest)) if largest > 0 else -inf
        return inf

    def _audited(self, step: int) -> bool:
        return step <= _FIRST_AUDITS or step % self._audit_every == 0

    def _skipped(self) -> bool:
        """Whether a fused step did nothing because mixed precision had overflowed."""
        found = getattr(self._optimizer, "found_inf", None)
        return found is not None and bool(found)

    def _after(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if self._skipped():
            for weight in self.weights:
                # a velocity that a skipped first step leaves unfilled makes the next one begin anew
                weight.version = weight.parameter._version
            return
        self.steps += 1
        audit = self._audited(self.steps)
        if len(self._watched) != len(optimizer.param_groups):
            self._find_groups()
        stepped: list[tuple[Weight, Step]] = []
        for group, weights in self._watched:
            step = self._settings.step(group)
            stepped += [(weight, step) for weight in weights if weight.parameter.grad is not None]
        tensors = [weight.parameter.detach() for weight, _ in stepped]
        fast = {
            id(weight): self._velocity(weight)
            for weight, step in stepped
            if step.momentum or isinstance(weight.memory, MomentumWindow)
        }
        moving = [velocity for velocity in fast.values() if velocity is not None]
        norms = self._norms([*tensors, *moving])
        speeds = dict(zip(map(id, moving), norms[len(tensors) :], strict=True))
        for (weight, step), norm in zip(stepped, norms, strict=False):
            velocity = fast.get(id(weight))
            if step.momentum and not isinstance(weight.memory, MomentumWindow):
                self._turn_to_momentum(weight)
                continue
            first = weight.buffer_version is None
            weight.step(step, first, norm, speeds.get(id(velocity), 0.0), audit)
            weight.version = weight.parameter._version
            if velocity is not None:
                weight.buffer_version = (id(velocity), velocity._version)
            if weight.sums is not None:
                self._add_update(weight, step.a)
            if audit:
                weight.reason = weight.reason or weight.audit()
                weight.copy = weight.parameter.detach().clone()
        self._tell()

    def _turn_to_momentum(self, weight: Weight) -> None:
        """Momentum was switched on: the log begins anew, with the velocity."""
        weight.gained()
        weight.memory = MomentumWindow(weight.limit)
        self._restart(weight)

    def _add_update(self, weight: Weight, a: float) -> None:
        update = a * weight.before - weight.parameter.detach()
        values = np.linalg.svd(weight.matrix_of(update).double().cpu().numpy(), compute_uv=False)
        assert weight.sums is not None
        weight.sums.advance(abs(a), values)
        weight.before = None
