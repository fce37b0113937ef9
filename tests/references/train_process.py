"""A process that trains and says how far it is: train_process.py FOLDER OPTIONS THREADS SECONDS, options in JSON."""

import json
import sys

from training_fixtures import DATA, run_spec

from glorotlab.kernels.network import dense
from glorotlab.threads import set_num_threads
from glorotlab.training.loop import train

if __name__ == "__main__":
    folder, options, threads, seconds = sys.argv[1:]
    fields = json.loads(options)
    data, spec = DATA[fields.pop("kind")](), run_spec(fields.pop("layers"), **fields)
    dense.set_parallel_work(0)  # every product on several threads, however small
    set_num_threads(int(threads))
    print("ready", flush=True)

    def progress(done, total):
        print(done, flush=True)

    print(train(spec, folder, dataset=data, progress=progress, checkpoint_every=float(seconds)).status)
