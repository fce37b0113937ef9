"""A derivation as an object: named assumptions, checkable steps that name each other, results beside the paper's."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np
import sympy as sp

from glorotlab.derivations.engine.rendering import Rendered
from glorotlab.derivations.engine.step import Assumption, Conclusion, Lemma, Step
from glorotlab.derivations.engine.trial import Trial
from glorotlab.derivations.engine.verification import Outcome, Verification
from glorotlab.errors import AssumptionError
from glorotlab.streams import Purpose, generator
from glorotlab.threads import single_threaded_blas

Experiment = Callable[[np.random.Generator], tuple[Trial, ...]]
"""An experiment draws networks and sets their statistics beside what results say."""


@dataclass(frozen=True)
class Derivation(Rendered):
    """A result about variance in deep networks with the steps that prove it.

    Attributes
    ----------
    name : str
        The word that ``derive`` knows it by.
    title : str
        A few words for a list.
    source : str
        Paper and equation numbers.
    assumptions : tuple of Assumption
        Everything it rests on.
    steps : tuple of Step
        The proof, in its order.
    conclusions : tuple of Conclusion
        One for each equation of the paper, in its order; ``result``, ``printed`` and ``difference`` are those
        of the first. There is none where the derivation stops.
    experiment : callable, optional
        What ``verify`` measures: ``experiment(generator)`` draws networks and returns trials.
    carries : frozenset of str
        The assumptions it can drop and go on, with the extra term.
    without : frozenset of str
        The assumptions that were dropped.
    stopped : str or None
        Why it ends without a result; None where it does not.

    Raises
    ------
    ValueError
        Where two steps have one name, a step follows from one that is not before it, or a step rests on what the
        derivation does not assume.
    """

    name: str
    title: str
    source: str
    assumptions: tuple[Assumption, ...]
    steps: tuple[Step, ...]
    conclusions: tuple[Conclusion, ...]
    experiment: Experiment | None = None
    carries: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    stopped: str | None = None

    def __post_init__(self) -> None:
        before: set[str] = set()
        for step in self.steps:
            if step.name in before:
                raise ValueError(f"{self.name} has two steps of the name {step.name}")
            for name in step.follows:
                if name not in before:
                    raise ValueError(f"{self.name}: {step.name} follows from {name}, which is no step before it")
            for item in _entering(step) - set(self.assumptions):
                raise ValueError(f"{self.name}: {step.name} rests on {item.name}, which is not assumed")
            before.add(step.name)

    def step(self, name: str) -> Step:
        """Return the step called ``name``; KeyError where there is none."""
        return {step.name: step for step in self.steps}[name]

    def basis(self, name: str) -> frozenset[Assumption]:
        """Return all assumptions on which the step ``name`` depends, including those of the steps it follows from."""
        step = self.step(name)
        return _entering(step).union(*(self.basis(earlier) for earlier in step.follows))

    def lemma(self, name: str | None = None) -> Lemma:
        """Return the step called ``name``, or the one with the result, for another derivation to follow from."""
        if name is None:
            proved = next(step for step in self.steps if step.equation == self.result)
            description = f"the result of {self.name}"
        else:
            proved, description = self.step(name), f"step {name} of {self.name}"
        if self.without:
            description += f" without {' and '.join(sorted(self.without))}"
        return Lemma(description, proved.equation, self.basis(proved.name))

    def stop_without(self, dropped: Collection[Assumption]) -> "Derivation":
        """Return the steps before the first that rests on a dropped assumption, and why there are no more."""
        dropped = [item for item in dropped if item in self.assumptions]
        if not dropped:
            return self
        kept = next(index for index, step in enumerate(self.steps) if self.basis(step.name) & set(dropped))
        return replace(
            self,
            assumptions=tuple(item for item in self.assumptions if item not in dropped),
            steps=self.steps[:kept],
            conclusions=(),
            experiment=None,
            carries=frozenset(),
            without=self.without | {item.name for item in dropped},
            stopped=" ".join(item.otherwise for item in dropped),
        )

    @property
    def result(self) -> sp.Eq:
        """Return the result of the derivation; AssumptionError with the reason if it stops."""
        if self.stopped:
            raise AssumptionError(f"{self.name} has no result: {self.stopped}")
        return self.conclusions[0].result

    @property
    def printed(self) -> sp.Eq | None:
        """Return the equation as the paper prints it, or None where the paper has no such equation."""
        return self.conclusions[0].printed if self.conclusions else None

    @property
    def difference(self) -> str | None:
        """Return the difference between ``printed`` and ``result`` with its reason, or None if they agree."""
        return self.conclusions[0].difference if self.conclusions else None

    def verify(self, seed: int = 0) -> Verification:
        """Check every step, that printed and derived equations differ exactly by the stated factor, and by experiment.

        A step is judged by its equation and those of the steps it names. A check that cannot be computed counts as
        failed; nothing is raised.

        Parameters
        ----------
        seed : int
            The seed of the networks that are drawn.

        Returns
        -------
        Verification
        """
        equations = {step.name: step.equation for step in self.steps}
        steps = tuple(
            Outcome.of(step.statement, step.check, step.equation, {name: equations[name] for name in step.follows})
            for step in self.steps
        )
        conclusions = tuple(
            Outcome.of(f"{conclusion.label} beside what follows", conclusion.holds, equations.values())
            for conclusion in self.conclusions
        )
        return Verification(self.name, steps, conclusions, self._trials(seed))

    def _trials(self, seed: int) -> tuple[Trial, ...]:
        if self.experiment is None:
            return ()
        with single_threaded_blas():  # small matrices: threads would wait for each other longer than they work
            return self.experiment(generator(seed, Purpose.TRIAL))


def _entering(step: Step) -> frozenset[Assumption]:
    """Return the assumptions that enter at a step, including those of its lemmas."""
    return frozenset(step.uses).union(*(lemma.assumptions for lemma in step.lemmas))
