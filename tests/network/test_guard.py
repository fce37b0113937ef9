"""One network in several threads of Python: one trains it, or any number read it; a forked process goes on alone."""

import hashlib
import multiprocessing
import threading

import numpy as np
import pytest

import glorotlab as gl
from glorotlab import threads
from glorotlab.errors import InvalidValueError, NetworkInUseError
from glorotlab.kernels.network.batch_source import RowSource
from glorotlab.network.autoencoder import DenoisingAutoencoder
from glorotlab.network.guard import Guard
from glorotlab.network.mlp import Network
from glorotlab.spec.training import UpdateRule

X, Y = np.random.default_rng(0).normal(size=(20, 30)), np.arange(20) % 3
SPEC = gl.NetworkSpec.parse("30,40x2,3", activation="x*tanh(x)")


class Waiting:
    """A source whose first mini-batch waits until the test says so; its network is of an activation in NumPy."""

    def __init__(self, network):
        self.rows = network.rows(X, Y)
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.fan_in, self.classes, self.targets, self.length = 30, 3, 0, 20

    def load(self, first, x, labels, targets=None):
        self.begun.set()
        assert self.go_on.wait(20)
        self.rows.load(first, x, labels)


USES = {
    "train_step": lambda net: net.train_step(X, Y, 0.1),
    "train_on": lambda net: net.train_on(RowSource(X.astype("f"), Y, None, 3), 1, UpdateRule(0.1), batch_size=2),
    "forward": lambda net: net.forward(X),
    "gradients": lambda net: net.gradients(X, Y),
    "state": lambda net: net.state(),
    "load_state": lambda net: net.load_state({}),
    "set_rates": lambda net: net.set_rates([], []),
    "move": lambda net: net.move_along_velocities(0.1),
    "autoencoder": lambda net: DenoisingAutoencoder(net, 0).train_step(X.astype("f"), X > 0, UpdateRule(0.1)),
    "pickle": lambda net: net.__getstate__(),
    "deepcopy": lambda net: net.__deepcopy__({}),
}


def test_nothing_else_uses_a_network_while_a_thread_trains_it():
    network, alone = Network(SPEC), Network(SPEC)
    source = Waiting(network)
    thread = threading.Thread(
        target=lambda: network.train_on(source, 2, UpdateRule(0.1), batch_size=10),
    )
    thread.start()
    assert source.begun.wait(20)
    for name, use in USES.items():
        with pytest.raises(NetworkInUseError, match="is being trained in another thread: allowed is one") as caught:
            use(network)
        assert "\n" not in str(caught.value), name
    source.go_on.set()
    thread.join(20)
    alone.train_steps(X, Y, 0.1, batch_size=10)
    assert [w.tobytes() for w in network.weights] == [w.tobytes() for w in alone.weights]
    network.train_step(X, Y, 0.1)  # and then it is free


def test_readers_share_a_network_and_keep_its_trainers_out():
    guard, refused = Guard(), []

    def other(use):
        try:
            with use():
                pass
        except NetworkInUseError as error:
            refused.append(str(error))

    with guard.reading():
        for use in (guard.reading, guard.training):
            thread = threading.Thread(target=other, args=(use,))
            thread.start()
            thread.join(20)
    assert len(refused) == 1
    assert "is being read in another thread" in refused[0]
    with guard.training(), guard.reading(), guard.training():  # within one thread they nest
        pass
    with guard.training():
        pass


def trained_bits():
    network = Network(gl.NetworkSpec.parse("30,40x2,3"))
    network.train_steps(X, Y, 0.1, batch_size=10)
    measured = gl.measure(network.spec, X, Y, 1)["activation_variance"].values.tobytes()
    state = b"".join(array.tobytes() for array in network.state().values())
    return hashlib.sha256(state + measured).hexdigest(), threads.num_threads()


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # JAX's, of JAX, where another test has used it
@pytest.mark.usefixtures("small_products_on_threads")
def test_kernels_run_in_a_process_forked_after_they_ran_on_threads(monkeypatch):
    """On one thread, as GNU OpenMP waits there for threads that are gone; to the same bits."""
    monkeypatch.setitem(threads._state, "threads", 2)
    here, count = trained_bits()
    assert count == 2
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(trained_bits).get(30) == (here, 1)
        with pytest.raises(InvalidValueError, match="number of threads 2: allowed is 1 in a forked process"):
            pool.apply_async(gl.set_num_threads, (2,)).get(30)
        pool.apply_async(gl.set_num_threads, (1,)).get(30)
    assert trained_bits() == (here, 2)
