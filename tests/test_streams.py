"""Random streams: what they are for is part of a seed's meaning."""

from glorotlab.streams import Purpose, generator

PURPOSES = {
    "WEIGHTS": 1,
    "BIASES": 2,
    "BATCH_ORDER": 3,
    "SHAPESET_TRAIN": 4,
    "SHAPESET_VALIDATION": 5,
    "SHAPESET_TEST": 6,
    "OUTPUT_GRADIENT": 7,
    "SPLIT": 9,
    "TRIAL": 10,
    "SWEEP": 11,
    "LEARNING_SPEED": 12,
    "HIDDEN_UNITS": 13,
    "OUTPUT_DRAWS": 14,
    "OUTPUT_SCATTER": 15,
    "BACKPROP_DISTRIBUTION": 16,
    "WEIGHT_GRADIENT_DISTRIBUTION": 17,
    "WEIGHT_GRADIENT_OUTPUTS": 18,
    "CORRUPTION": 19,
    "COST_SURFACE": 25,
    "FEW_UNITS": 26,
    "OUTPUT_CURVATURE": 27,
    "WINDOWS": 28,
    "BATCH_NORMALISATION": 29,
    "WHOLE_NETWORKS": 30,
    "UNIT_PROGRAM": 31,
}


def test_purposes_keep_their_numbers():
    assert {purpose.name: purpose.value for purpose in Purpose} == PURPOSES


def test_purposes_have_streams_of_their_own():
    first = {generator(0, purpose).random() for purpose in Purpose}
    assert len(first) == len(Purpose)
