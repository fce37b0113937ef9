"""Time one training step while other programs use every CPU: python benchmarks/speed/busy_machine.py.

Each setting of GNU OpenMP's spinning runs in a process of its own: it is read once, when a program starts.
"""

import os
import statistics
import subprocess
import sys
import time

SETTINGS = {"as shipped": {}, "GNU OpenMP's own default": {"GOMP_SPINCOUNT": "300000"}}
BURN = [sys.executable, "-c", "while True: pass"]


def step(layers: str, steps: int) -> None:
    """Print the median step on one thread and on two."""
    import glorotlab as gl

    network, (x, y) = gl.Network(gl.NetworkSpec.parse(layers)), gl.shapeset(10)
    for threads in (1, 2):
        gl.set_num_threads(threads)
        times = []
        for _ in range(steps):
            start = time.perf_counter()
            network.train_step(x, y, 0.01)
            times.append(time.perf_counter() - start)
        print(f"    {threads} thread(s): {1e3 * statistics.median(times):.2f} ms a step")


def main(cpus: int = os.cpu_count() or 1, layers: str = "1024,1000x5,9", steps: int = 40) -> None:
    from glorotlab.machine import machine_line

    print(machine_line())
    for load in (0, cpus):
        burners = [subprocess.Popen(BURN) for _ in range(load)]
        try:
            for name, setting in SETTINGS.items():
                print(f"{load} other busy processes on {cpus} CPUs, {name}:", flush=True)
                command = [sys.executable, __file__, "step", layers, str(steps)]
                print(
                    subprocess.run(command, env=os.environ | setting, check=True, capture_output=True, text=True).stdout
                )
        finally:
            for burner in burners:
                burner.kill()
                burner.wait()


if __name__ == "__main__":
    step(sys.argv[2], int(sys.argv[3])) if sys.argv[1:2] == ["step"] else main()
