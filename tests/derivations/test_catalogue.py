"""The list of names: complete, and there without SymPy."""

import subprocess
import sys

import pytest

from glorotlab.derivations import derive
from glorotlab.derivations.catalogue import CATALOGUE
from glorotlab.errors import UnknownNameError

NAMES = (
    "forward_variance",
    "backward_variance",
    "weight_gradient_variance",
    "forward_condition",
    "backward_condition",
    "compromise",
    "equal_width",
    "standard_initialization",
    "normalized_initialization",
    "mean_singular_value",
    "lecun_initialization",
    "he_initialization",
    "nonlinear_gain",
    "finite_width_fluctuation",
    "gradient_fluctuation",
    "batch_gradient_covariance",
    "softmax_output_gradient",
    "single_neuron_chain",
    "explosion_interval",
    "learning_speed_ratio",
)


def test_derive_lists_every_name():
    assert derive() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_derivation_begins_as_the_catalogue_says(name):
    derivation, entry = derive(name), CATALOGUE[name]
    assert (derivation.name, derivation.title, derivation.source) == (name, entry.title, entry.source)


def test_unknown_name_is_named_with_what_is_allowed():
    with pytest.raises(UnknownNameError, match="unknown derivation 'eq5': allowed are forward_variance, "):
        derive("eq5")


@pytest.mark.parametrize(
    "code",
    [
        "import glorotlab.theory",
        "import glorotlab as gl; assert len(gl.derive()) == 20",
        "from glorotlab.cli.main import main; assert main(['derive']) == 0",
        "from glorotlab.cli.main import main; assert main(['derive', '--format', 'json']) == 0",
        "from glorotlab.cli.main import main; assert main(['derive', 'eq5']) == 2",
    ],
    ids=["theory", "names", "list", "json", "unknown"],
)
def test_names_come_without_sympy(code):
    code += "; import sys; sys.exit('sympy' in sys.modules)"
    completed = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)  # noqa: S603
    assert completed.returncode == 0, completed.stderr
