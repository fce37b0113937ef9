from .auditing.audit import Audit as Audit
from .auditing.audit import AuditEntry as AuditEntry
from .auditing.audit import audit as audit
from .initialize import Initialization as Initialization
from .initialize import initialize_ as initialize_
from .measurement import measure as measure
from .tracing import read as read
