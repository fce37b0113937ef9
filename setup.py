"""Build of the Cython kernels; everything else about the package stands in pyproject.toml.

Environment
-----------
GLOROTLAB_OPENMP : ``auto`` (default) uses OpenMP where a probe compiles, links and runs; ``on`` fails
    where it does not; ``off`` builds single-threaded kernels.
GLOROTLAB_DEBUG : ``1`` turns bounds and initialisation checks on (slow; .ci/run tests the kernels with it).

A build with other settings than the one before rebuilds everything.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("GLOROTLAB_DEBUG", "0") == "1"
OPENMP = os.environ.get("GLOROTLAB_OPENMP", "auto")

HEADERS = [str(path) for path in sorted(Path("glorotlab/kernels/include").glob("*.h"))]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "initializedcheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
    "embedsignature": True,
}

# -O3 is stated because Python's own flags may say -O2, where GCC leaves loops scalar. FMA contraction is
# off so that plain loops have one result on every target; the tiles (kernels/include/tiles.h) ask for FMA themselves.
COMPILE_ARGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]

# Cython and setuptools compare times of files alone, so they would keep what other settings built.
SETTINGS = f"debug={DEBUG} openmp={OPENMP}"
BUILT = Path("build", "settings.txt")
FORCE = (BUILT.read_text() if BUILT.exists() else "debug=False openmp=auto") != SETTINGS

OPENMP_PROBE = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"


def extensions() -> list[Extension]:
    """One extension for every .pyx below the package."""
    return [
        Extension(
            ".".join(path.with_suffix("").parts),
            [str(path)],
            include_dirs=["glorotlab/kernels/include"],
            depends=HEADERS,
            extra_compile_args=list(COMPILE_ARGS),
        )
        for path in sorted(Path("glorotlab").rglob("*.pyx"))
    ]


class BuildExt(build_ext):
    """build_ext that adds OpenMP's flags where they work, and rebuilds where the settings changed."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.force = self.force or FORCE
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self) -> None:
        compile_args, link_args = self.openmp_flags()
        for extension in self.extensions:
            extension.extra_compile_args += compile_args
            extension.extra_link_args += link_args
        super().build_extensions()
        BUILT.parent.mkdir(exist_ok=True)
        BUILT.write_text(SETTINGS)

    def openmp_flags(self) -> tuple[list[str], list[str]]:
        if OPENMP not in ("on", "off", "auto"):
            sys.exit(f"GLOROTLAB_OPENMP={OPENMP!r}: allowed are on, off, auto")
        if OPENMP == "off":
            return [], []
        if self.openmp_works():
            return ["-fopenmp"], ["-fopenmp"]
        if OPENMP == "on":
            sys.exit("GLOROTLAB_OPENMP=on, but a program that uses OpenMP does not build and run here")
        print("glorotlab: no working OpenMP found; the kernels will use one thread", file=sys.stderr)
        return [], []

    def openmp_works(self) -> bool:
        """Compile, link and run a small OpenMP program."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text(OPENMP_PROBE)
            try:
                objects = self.compiler.compile([str(source)], output_dir=folder, extra_postargs=["-fopenmp"])
                program = str(Path(folder, "probe"))
                self.compiler.link_executable(objects, program, extra_postargs=["-fopenmp"])
                subprocess.run([program], check=True, timeout=30)
            except Exception:  # any failure of a foreign compiler means: no OpenMP
                return False
        return True


setup(
    ext_modules=cythonize(extensions(), compiler_directives=DIRECTIVES, force=FORCE),
    cmdclass={"build_ext": BuildExt},
)
