"""The marks of tests that say how they run rather than what they test: files below ``tests``, or single tests of them.

A test is slow where it takes about two seconds or more. ``pytest -m "not slow"`` is the inner loop.
"""

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

SLOW = (
    *KILL,
    "architecture/test_bits.py::test_trainings_end_with_the_bits_of_the_older_version",
    "architecture/test_bits.py::test_a_run_of_the_older_version_goes_on_to_the_bits_of_one_that_never_stopped",
    "benchmarking/test_bench.py::test_every_peer_takes_the_same_steps",
    "benchmarking/test_bench.py::test_the_table_is_printed_and_the_picture_drawn",
    "benchmarking/test_benchmark_scripts.py",
    "derivations/test_assumptions.py",
    "derivations/test_fluctuations.py",
    "derivations/test_verification.py::test_every_step_every_comparison_with_the_paper_and_every_experiment_is_verified",
    "experiments/test_claims.py::test_all_parts_of_a_claim_hold_as_often_as_it_says",
    "experiments/test_claims.py::test_the_interval_covers_as_often_as_it_says",
    "kernels/test_allocations.py",
    "kernels/test_arm64.py",
    "kernels/test_dense.py",
    "kernels/test_tiles.py",
    "network/test_network.py::test_torch_takes_the_same_steps",
    "plotting/test_plotting.py::test_plotting_needs_no_display_and_no_pyplot",
    "test_interrupts.py",
    "theory/advice/test_advise.py::test_deep_softsign_gets_biases",
    "theory/advice/test_advise.py::test_json_is_finite_where_signals_are_not",
    "theory/advice/test_advise.py::test_sigmoid_is_told_another",
    "theory/advice/test_advise.py::test_tangent_kernel_by_autograd",
    "theory/advice/test_advise.py::test_the_command",
    "theory/advice/test_advise.py::test_the_recommended_keeps_signal_and_gradient_in_networks",
    "theory/distributions/test_predict_distributions.py::test_second_moments_are_the_kernels",
    "theory/finite_width/test_bands.py",
    "theory/phases/test_fixed_points.py::test_signs_alternate_along_the_axis",
    "theory/spectra/test_free_product.py::test_the_distribution_has_the_moments",
    "theory/test_predict.py::test_pair_moments_that_cannot_be_trusted_are_refused",
    "theory/test_predict.py::test_real_networks_have_the_predicted_statistics",
    "theory/test_predict.py::test_the_number_of_blas_threads_changes_no_bit",
    "theory/test_prediction_grid.py",
    "training/runs/test_run_failures.py",
    "training/sweeps/test_sweep.py",
    "training/sweeps/test_sweep_cluster.py",
    "training/test_training.py::test_a_stream_drawn_in_the_step_trains_as_one_drawn_before",
)

MARKS = {
    "arm64": ("kernels/test_arm64.py",),
    "dask": ("training/sweeps/test_sweep_cluster.py",),
    "kill": KILL,
    "slow": SLOW,
    "statistical": STATISTICAL,
    "torch": TORCH,
}
