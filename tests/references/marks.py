"""The marks of tests that say how they run rather than what they test: files below ``tests``, or single tests of them.

``pytest -m "not slow"`` is the inner loop; ``slow.py`` says which tests are slow.
"""

from slow import LIST

KILL = (
    "test_interrupts.py::test_a_signal_saves_whole_updates_and_says_how_to_go_on",
    "training/runs/test_kills.py",
    "training/test_pretraining.py::test_the_command_says_how_far_pretraining_got",
    "training/sweeps/test_sweep.py::test_processes_make_the_same_bits_and_survive_one_that_is_killed",
    "training/sweeps/test_sweep.py::test_ctrl_c_saves_the_runs_and_says_how_to_resume",
    "training/sweeps/test_sweep.py::test_workers_end_with_a_command_that_is_killed",
    "training/sweeps/test_sweep.py::test_what_killed_sweeps_left_is_removed_and_nothing_else",
)
"""Tests that send signals to processes of their own."""

STATISTICAL = (
    "experiments/test_claims.py::test_all_parts_of_a_claim_hold_as_often_as_it_says",
    "experiments/test_claims.py::test_the_interval_covers_as_often_as_it_says",
    "derivations/test_fluctuations.py",
    "derivations/test_verification.py::test_every_step_every_comparison_with_the_paper_and_every_experiment_is_verified",
    "test_initializers.py",
    "theory/advice/test_advise.py::test_the_recommended_keeps_signal_and_gradient_in_networks",
    "theory/finite_width/test_bands.py",
    "theory/test_predict.py::test_real_networks_have_the_predicted_statistics",
    "theory/test_prediction_grid.py",
)
"""Tests of random samples, with a stated rate of false failures."""

TORCH = (
    "benchmarking/test_bench.py::test_every_peer_takes_the_same_steps",
    "experiments/test_failed_replication.py::test_torch_draws_what_is_said_of_it",
    "network/test_curvature.py::test_the_gradient_variance_is_that_of_single_examples",
    "network/test_curvature.py::test_where_it_is_the_diagonal_of_the_gauss_newton_matrix",
    "network/test_network.py::test_torch_takes_the_same_steps",
    "theory/advice/test_advise.py::test_tangent_kernel_by_autograd",
    "theory/advice/test_advise.py::test_torch_lines_run",
)
"""Tests that compare with torch."""

SLOW = tuple(dict.fromkeys((*KILL, *LIST.read_text(encoding="utf-8").splitlines())))
"""Tests that the inner loop leaves out, as ``slow.py`` lists them."""

MARKS = {
    "arm64": ("kernels/test_arm64.py",),
    "dask": ("training/sweeps/test_sweep_cluster.py",),
    "kill": KILL,
    "slow": SLOW,
    "statistical": STATISTICAL,
    "torch": TORCH,
}
