"""LayerGraph: what it refuses, who reads what, and the nodes that all paths pass through."""

import pytest

from glorotlab.errors import InvalidValueError
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.dense import Dense
from glorotlab.spec.layers.graph import Input, LayerGraph, Node, Unknown
from glorotlab.spec.layers.residual import Sum

X = Node("x", Input(), (), 3)


def dense(name, below):
    return Node(name, Dense(3, 3, 1 / 3, 0.0), (below,), 3)


def names(graph):
    return [node.name for node in graph.trunk]


def test_the_trunk_of_a_chain_is_all_of_it():
    graph = LayerGraph((X, dense("a", "x"), Node("f", Elementwise("tanh"), ("a",), 3), dense("b", "f")), "b")
    assert names(graph) == ["a", "f", "b"]


def test_branches_are_no_trunk():
    """Two branches, one within the other, and a skip from the input over the first layer."""
    nodes = [X, dense("a", "x"), dense("b", "a"), dense("c", "b"), dense("d", "c")]
    nodes += [Node("inner", Sum((1.0, 1.0)), ("c", "d"), 3), Node("outer", Sum((1.0, 1.0)), ("a", "inner"), 3)]
    nodes += [dense("e", "outer"), Node("skip", Sum((1.0, 1.0)), ("e", "outer"), 3), dense("out", "skip")]
    assert names(LayerGraph(tuple(nodes), "out")) == ["a", "outer", "skip", "out"]


def test_a_skip_from_the_input_leaves_its_end_alone():
    nodes = (X, dense("a", "x"), dense("b", "a"), Node("end", Sum((1.0, 1.0)), ("x", "b"), 3))
    assert names(LayerGraph(nodes, "end")) == ["end"]


def test_readers_come_as_often_as_they_read():
    graph = LayerGraph((X, Node("twice", Sum((1.0, 1.0)), ("x", "x"), 3)), "twice")
    assert [node.name for node in graph.readers["x"]] == ["twice", "twice"]


@pytest.mark.parametrize(
    ("nodes", "output", "message"),
    [
        ((dense("a", "x"), X), "a", "node 'a' reads 'x'"),
        ((X, dense("a", "x"), dense("a", "x")), "a", "node name 'a' is used twice"),
        ((X,), "y", "output 'y'"),
    ],
)
def test_a_graph_that_is_none(nodes, output, message):
    with pytest.raises(InvalidValueError, match=message):
        LayerGraph(nodes, output)


def test_a_notebook_shows_every_node_and_why_one_is_not_followed():
    form = LayerGraph((X, dense("a", "x"), Node("<b>", Unknown("it is magic"), ("a",), 3)), "<b>")._repr_html_()
    assert all(text in form for text in (">dense<", ">it is magic<", "&lt;b&gt;"))
