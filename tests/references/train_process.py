"""Processes that train and say how far they are, forked from one that has imported everything: each starts at once."""

import multiprocessing
from multiprocessing import forkserver

from training_fixtures import DATA, run_spec

from glorotlab.kernels.network import dense
from glorotlab.threads import set_num_threads
from glorotlab.training.loop import train

CONTEXT = multiprocessing.get_context("forkserver")
"""The process that is forked has imported and never computed: OpenMP has no threads there that a fork would lose."""


def import_once():
    """Start the process that is forked, which must find this module and glorotlab on PYTHONPATH."""
    CONTEXT.set_forkserver_preload([__name__])
    forkserver.ensure_running()


def start(*arguments):
    """Return a started process, and the connection by which it says "ready", updates done and how it ended.

    Parameters
    ----------
    *arguments : folder, options, threads, seconds
        The run's folder, its fields with the ``kind`` of data, threads, and seconds between checkpoints.
    """
    reader, writer = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_train, args=(writer, *arguments), daemon=True)
    process.start()
    writer.close()
    return process, reader


def _train(said, folder, options, threads, seconds):
    fields = dict(options)
    data, spec = DATA[fields.pop("kind")](), run_spec(fields.pop("layers"), **fields)
    dense.set_parallel_work(0)  # every product on several threads, however small
    set_num_threads(threads)
    said.send("ready")

    def progress(done, total):
        said.send(done)

    said.send(train(spec, folder, dataset=data, progress=progress, checkpoint_every=seconds).status)
