"""A name of a public face is not that of a module beside it, which would take its place once it is imported."""

import re
from pathlib import Path

import pytest

import glorotlab

ROOT = Path(glorotlab.__file__).parent
STUBS = sorted(path for path in ROOT.rglob("__init__.pyi"))


@pytest.mark.parametrize("stub", STUBS, ids=[str(path.parent.relative_to(ROOT)) for path in STUBS])
def test_no_module_hides_a_name(stub):
    lines = re.findall(r"^from \.(\w+)[\w.]* import (\w+)", stub.read_text(), re.MULTILINE)
    modules = {module for module, _ in lines}
    assert lines
    assert not modules & {name for _, name in lines}, "rename the module: gl.torch.audit would become a module"
