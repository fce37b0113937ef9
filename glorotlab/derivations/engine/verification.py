"""The result of a verification: for every statement, whether its check passed."""

from collections.abc import Callable
from dataclasses import dataclass

from glorotlab import notebook
from glorotlab.derivations.engine.trial import Trial


@dataclass(frozen=True)
class Outcome:
    """Whether one statement was verified, and the error where its check could not be computed."""

    statement: str
    passed: bool
    error: str | None = None

    @classmethod
    def of(cls, statement: str, check: Callable[..., bool], *arguments: object) -> "Outcome":
        """Return the outcome of ``check(*arguments)``; a check that raises has failed."""
        try:
            return cls(statement, bool(check(*arguments)))
        except Exception as error:  # whatever SymPy raises on a wrong equation is a failed check
            return cls(statement, False, f"({type(error).__name__}: {error})")


@dataclass(frozen=True)
class Verification:
    """The result of ``Derivation.verify``.

    It is true where every step, every comparison with the paper and every experiment passed.
    """

    name: str
    steps: tuple[Outcome, ...]
    conclusions: tuple[Outcome, ...]
    trials: tuple[Trial, ...] = ()

    def __bool__(self) -> bool:
        return not self.failed

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Return the outcomes that did not pass."""
        return tuple(outcome for outcome in self.outcomes if not outcome.passed)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Return every outcome; those of experiments come last."""
        return self.steps + self.conclusions + tuple(Outcome(str(trial), trial.passed) for trial in self.trials)

    def _repr_html_(self) -> str:
        rows = [(outcome.statement, outcome.passed, outcome.error or "") for outcome in self.outcomes]
        return notebook.form(self.name, notebook.table(("statement", "passed", "error"), rows))

    def __str__(self) -> str:
        total = len(self.outcomes)
        lines = [f"{self.name}: {total - len(self.failed)} of {total} checks passed"]
        lines += [f"  failed: {outcome.statement} {outcome.error or ''}".rstrip() for outcome in self.failed]
        lines += [f"  by experiment: {trial}" for trial in self.trials if trial.passed]
        return "\n".join(lines)
