"""Draws of the output layer: their covariance, and the order in which kernels share them."""

import numpy as np

from glorotlab import costs
from glorotlab.streams import Purpose
from glorotlab.theory.mean_field import output_sampling
from glorotlab.theory.mean_field.output_sampling import OutputSampler

KERNEL = np.array([[1.0, 0.6], [0.6, 2.0]])
COST, LABELS, CLASSES = costs.get("softmax", "log_likelihood"), np.array([2, 0]), 3
TARGETS = np.eye(CLASSES)[LABELS]


def sampler():
    return OutputSampler.of(COST, KERNEL, TARGETS)


def test_logits_have_the_covariance_in_every_class_and_none_between_two():
    """Of 100,000 networks a mean product is at most sqrt(8e-5) = .009 off; five of these are allowed, 1e-5 in all."""
    blocks = list(sampler().logits(100_000, Purpose.OUTPUT_GRADIENT))
    assert len(blocks) > 1
    s = np.concatenate(blocks, axis=1)
    assert s.shape == (2, 100_000, CLASSES)
    products = np.einsum("ank,bnl->klab", s, s) / s.shape[1]
    np.testing.assert_allclose(products, np.eye(CLASSES)[:, :, np.newaxis, np.newaxis] * KERNEL, atol=0.045)


def test_blocks_are_the_same_draws_as_before_whatever_their_number(monkeypatch):
    monkeypatch.setattr(output_sampling, "BLOCK", 60)
    blocks = list(sampler().logits(25, Purpose.LEARNING_SPEED))
    assert [block.shape[1] for block in blocks] == [10, 10, 5]
    again = list(sampler().logits(25, Purpose.LEARNING_SPEED))
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), np.concatenate(again, axis=1))
    other = next(sampler().logits(25, Purpose.OUTPUT_DRAWS))
    assert not np.isin(other, blocks[0]).any()


def test_gradients_are_those_of_the_labels():
    (s,), (d,) = (list(draw(8, Purpose.LEARNING_SPEED)) for draw in (sampler().logits, sampler().gradients))
    p = np.exp(s) / np.exp(s).sum(axis=2, keepdims=True)
    np.testing.assert_allclose(d, p - TARGETS[:, np.newaxis], atol=1e-14)


def test_several_kernels_share_the_draws_root_after_root():
    roots = np.array([np.eye(2), 100 * np.eye(2)])
    (s,) = OutputSampler(COST, TARGETS, roots).logits(50, Purpose.OUTPUT_DRAWS)
    assert s.shape == (2, 100, CLASSES)
    sizes = (s**2).mean(axis=(0, 2))
    assert sizes[:50].max() < sizes[50:].min() * 100
    assert 0.5 < sizes[:50].mean() < 2
    assert 0.5e4 < sizes[50:].mean() < 2e4
