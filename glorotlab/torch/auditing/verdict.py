"""The result of an audit: a verdict on each weight, and on the network."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from glorotlab import notebook
from glorotlab.errors import InvalidValueError
from glorotlab.torch.auditing.findings import FAULT, Finding


@dataclass(frozen=True)
class AuditEntry:
    """The verdict on one weight.

    Parameters
    ----------
    name : str
        Its name, with the block in brackets where its parameter is stacked.
    kind : str
        ``linear``, ``convolution``, ``transposed convolution``, ``embedding``, ``attention``, ``recurrent`` or
        ``bilinear``.
    fan_in, fan_out : int
        Numbers of terms of a sum, forward and back.
    size : int
        How many weights there are.
    mean, std : float
        Mean, and root mean square about 0; NaN where they are not finite.
    std_error : float
        Standard error of ``std``, of independent weights of their kurtosis.
    law : str
        ``uniform``, ``normal``, ``truncated_normal``, ``orthogonal``, ``sparse``, ``constant``, ``copies``, ``many
        zeros``, ``not finite``, ``unknown`` or ``too few to judge``.
    initializer : str
        Its usual name, or what went wrong with which; empty where it has none.
    fan : str
        What the variance is divided by; empty of a scale that is stated.
    gain : float
        sqrt(fan Var[W]), or the scale itself where there is no fan.
    alternatives : tuple of str
        Names that cannot be told apart from it by these weights alone.
    p_value : float or None
        Of the hypothesis that one of the initializers known here drew it; None where the structure decides.
    activation : str or None
        What feeds the weight, where that is known.
    forward : float
        fan_in E W^2 E f(s)^2 at E s^2 = 1: the next pre-activation's second moment over this one's; f is linear where
        nobody knows it.
    backward : float
        fan_out E W^2 E f'(s)^2: the same of the gradient's.
    findings : tuple of Finding
        Faults and notices.

    Examples
    --------
    >>> import glorotlab as gl
    >>> entry = gl.torch.audit(gl.Network("1000,100,10", seed=0)).entry("layer 1")
    >>> entry.law, entry.initializer, entry.fan, entry.faults
    ('uniform', 'glorot_uniform', 'fan_avg', ())
    """

    name: str
    kind: str
    fan_in: int
    fan_out: int
    size: int
    mean: float
    std: float
    std_error: float
    law: str
    initializer: str
    fan: str
    gain: float
    alternatives: tuple[str, ...]
    p_value: float | None
    activation: str | None
    forward: float
    backward: float
    findings: tuple[Finding, ...]

    def _repr_html_(self) -> str:
        found = ", ".join(f"{finding.name} ({finding.severity})" for finding in self.findings)
        return notebook.record(self.name, self, alternatives=", ".join(self.alternatives), findings=found)

    @property
    def healthy(self) -> bool:
        """Whether the weight has no fault."""
        return not self.faults

    @property
    def faults(self) -> tuple[str, ...]:
        """Names of the faults."""
        return tuple(finding.name for finding in self.findings if finding.severity == FAULT)

    @property
    def notices(self) -> tuple[str, ...]:
        """Names of the notices."""
        return tuple(finding.name for finding in self.findings if finding.severity != FAULT)


@dataclass(frozen=True)
class Audit:
    """What ``audit`` found: how each weight was drawn, and whether anything is wrong with it.

    Parameters
    ----------
    level : float
        Probability, at most, that a network drawn by known initializers is called unhealthy.
    entries : tuple of AuditEntry
        One a weight, in the order of the model's modules.
    tied : dict of str to str
        Weights that are another one, and which.
    left : tuple of str
        Parameters that were not looked at, as their fans are not known.

    Examples
    --------
    >>> import glorotlab as gl
    >>> network = gl.Network("300,200,10", seed=0)
    >>> network.weights[0][:] = 0
    >>> audit = gl.torch.audit(network)
    >>> audit.healthy, [(name, fault.name) for name, fault in audit.faults]
    (False, [('layer 1', 'all zero')])
    >>> print(audit.to_markdown().splitlines()[0])
    Not healthy: 1 of 2 weights with a fault
    >>> audit.to_dict()["healthy"]
    False
    """

    level: float
    entries: tuple[AuditEntry, ...]
    tied: dict[str, str]
    left: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether no weight has a fault."""
        return all(entry.healthy for entry in self.entries)

    @property
    def faults(self) -> tuple[tuple[str, Finding], ...]:
        """Every fault with the name of its weight."""
        return tuple((e.name, f) for e in self.entries for f in e.findings if f.severity == FAULT)

    @property
    def notices(self) -> tuple[tuple[str, Finding], ...]:
        """Every notice with the name of its weight."""
        return tuple((e.name, f) for e in self.entries for f in e.findings if f.severity != FAULT)

    def entry(self, name: str) -> AuditEntry:
        """Return the entry of a weight.

        Parameters
        ----------
        name : str
            Name of the weight, as ``entries`` have it.

        Returns
        -------
        AuditEntry

        Raises
        ------
        InvalidValueError
            Where there is no such weight.

        Examples
        --------
        >>> import glorotlab as gl
        >>> audit = gl.torch.audit(gl.Network("300,200,10", seed=0))
        >>> audit.entry("layer 2").fan_in
        200
        """
        for entry in self.entries:
            if entry.name == name:
                return entry
        names = ", ".join(entry.name for entry in self.entries)
        raise InvalidValueError(f"no weight {name!r:.60}: allowed are {names:.200}")

    def to_dict(self) -> dict[str, Any]:
        """Return the audit as a dict of plain values, of which some may be NaN."""
        return asdict(self) | {"healthy": self.healthy}

    def to_markdown(self) -> str:
        """Return a verdict, a table with one line a weight, and what was found."""
        from glorotlab.torch.auditing.audit_form import audit_markdown

        return audit_markdown(self)

    def _repr_html_(self) -> str:
        from glorotlab.torch.auditing.audit_form import audit_form

        return audit_form(self)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()
