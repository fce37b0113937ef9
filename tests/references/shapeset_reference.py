"""Shapeset-3x2 in plain NumPy, written from the description of the distribution and not from the kernel.

It takes the same random numbers in the same order, so it must give the same images; but angles are angles,
the linear map is a product of four matrices, and a polygon is filled by sorting all crossings of a row.
"""

from dataclasses import dataclass
from math import cos, exp, log, pi, sin, trunc

import numpy as np

SIDE = 32
LIGHT, DARK = (int(0.55 * 255), 255), (0, int(0.45 * 255))
VERTICES = (3, 4, 20)
POLYGONS = [
    0.5 * np.array([[cos(2 * pi * t), sin(2 * pi * t)] for t in np.arange(v) / v + 1 / (2 * v) + 1 / 4])
    for v in VERTICES
]
CLASSES = [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 0], [1, 1], [2, 2]]  # kinds of each class


@dataclass
class Thing:
    kind: int
    level: int
    scales: np.ndarray
    centre: np.ndarray
    points: np.ndarray  # about the centre

    @property
    def area(self):
        v = VERTICES[self.kind]
        return self.scales.prod() * v * sin(2 * pi / v) / (2 * pi)


def rotation(angle):
    return np.array([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]])


def integer(rng, low, high):
    return low + int(rng.random() * (high - low + 1))


def placed(rng, kind, level, index1, index3):
    """An object of given kind, level and rotations, at a random scale and place."""
    scales = np.array(sorted([rng.random(), rng.random()], reverse=True)) * 0.6 * SIDE + 0.2 * SIDE
    angle1, angle3 = 2 * pi * index1 / 255, 2 * pi * index3 / 255
    angle2 = -np.arctan(scales[1] / scales[0] * np.tan(angle1))
    points = POLYGONS[kind] @ rotation(angle1) @ np.diag(scales) @ rotation(angle2) @ rotation(angle3)
    low = np.maximum(0, -(points.min(axis=0) - 1) / SIDE)
    high = np.minimum(1, 1 - (points.max(axis=0) + 1) / SIDE)
    centre = (low + np.array([rng.random(), rng.random()]) * (high - low)) * SIDE
    return Thing(kind, level, scales, centre, points)


def rejected(first, second):
    line = second.centre - first.centre
    distance = np.linalg.norm(line)
    u = line / distance
    reach = (first.points @ u).max() + (second.points @ -u).max()
    if reach < distance:
        return False
    overlap = 1 - exp(-(reach - distance) * log(2) / distance)
    return second.area * overlap / first.area > 0.5


def scene(rng):
    """Ground level, objects and number of rejections of one image."""
    levels, ground_levels = (LIGHT, DARK) if rng.random() < 0.5 else (DARK, LIGHT)
    wanted = 1 if rng.random() < 0.5 else 2
    ground = integer(rng, *ground_levels)
    things, rejections = [], 0
    while len(things) < wanted:
        kind = integer(rng, 0, 2)
        v = VERTICES[kind]
        index1 = integer(rng, 0, 255 // v - 1)
        if index1 > 254 // (2 * v):
            index1 = min(255 - 254 // v + index1, 254)
        index3 = integer(rng, 0, 253)
        level = integer(rng, *levels)
        thing = placed(rng, kind, level, index1, index3)
        while things and rejected(things[0], thing):
            rejections += 1
            if rejections == 50:
                return ground, things, rejections
            thing = placed(rng, kind, level, index1, index3)
        things.append(thing)
    return ground, things, rejections


def filled(points):
    """Mask of a polygon of whole-pixel vertices: on every row, the pixels between each pair of crossings."""
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    rows = [y for _, y in points]
    for row in range(min(rows), max(rows) + 1):
        crossings = []
        for a, b in zip(points, points[1:] + points[:1], strict=True):
            (x0, y0), (x1, y1) = sorted([a, b], key=lambda point: point[1])
            if y0 <= row < y1 or (row == y1 == max(rows) and y0 < y1):
                crossings.append(x0 + trunc((row - y0) * (x1 - x0) / (y1 - y0)))
        assert len(crossings) == 2, "not one span"
        mask[row, min(crossings) : max(crossings) + 1] = True
    return mask


def image(rng):
    """One image of shape (1024,), its label and its number of rejections."""
    ground, things, rejections = scene(rng)
    levels = np.full((SIDE, SIDE), ground)
    for thing in things:
        levels[filled([(int(x), int(y)) for x, y in thing.points + thing.centre])] = thing.level
    label = CLASSES.index(sorted(thing.kind for thing in things))
    return (levels / 255 * 2 - 1).astype(np.float32).ravel(), label, rejections
