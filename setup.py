"""Build of the Cython kernels; everything else about the package stands in pyproject.toml.

Environment
-----------
GLOROTLAB_OPENMP : ``auto`` (default) uses OpenMP where a probe compiles, links and runs; ``on`` fails
    where it does not; ``off`` builds single-threaded kernels.
GLOROTLAB_DEBUG : ``1`` turns bounds and initialisation checks on (slow; .ci/run tests the kernels with it).

A build with other settings than the one before rebuilds everything. One with the same settings builds what has changed
since, and starts no compiler where nothing has.
"""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

DEBUG = os.environ.get("GLOROTLAB_DEBUG", "0") == "1"
OPENMP = os.environ.get("GLOROTLAB_OPENMP", "auto")

KERNELS = Path("glorotlab", "kernels")
INCLUDE, SOURCE = KERNELS / "include", KERNELS / "source"
DEPENDS = ["setup.py", *(str(path) for path in sorted([*INCLUDE.glob("*.h"), *SOURCE.glob("*.c")]))]

SHARED = "glorotlab.kernels._shared"
"""The module of Cython's own code for memoryviews, which is compiled once instead of once in each module."""

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
COMPILE_ARGS += [] if DEBUG else ["-g0"]  # debug information doubles the time and takes nine tenths of a module

# Modules without a loop that takes time: they call those of others.
GLUE = {"_shared", "batch_source", "build_info", "elementwise", "simd", "step"}

# Cython and setuptools compare times of files alone, so they would keep what other settings built.
SETTINGS = f"debug={DEBUG} openmp={OPENMP}"
BUILT = Path("build", "settings.txt")
FORCE = (BUILT.read_text() if BUILT.exists() else "debug=False openmp=auto") != SETTINGS

OPENMP_PROBE = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"


class Unit(NamedTuple):
    """A file of C below kernels/source, compiled with macros of its own."""

    source: str
    macros: tuple[tuple[str, str | None], ...] = ()

    @property
    def folder(self) -> str:
        """Where its object goes, apart from those of the same file with other macros."""
        return "-".join(str(value or name) for name, value in self.macros)


TILES = [
    Unit("tiles.c", (("LEVEL", level), (only, None)))
    for level in ("AVX512", "AVX2", "BASELINE")
    for only in ("ONLY_DOUBLE", "ONLY_FLOAT")
]
ACTIVATIONS = Unit("activations.c")
LINKED = {"dense": [*TILES, ACTIVATIONS], "elementwise": [ACTIVATIONS]}
"""The units of each module that has any; the objects are compiled side by side, and one may be linked to several."""


def extensions() -> list[Extension]:
    """Return one extension for every .pyx below the package, and the shared one."""
    options = {"include_dirs": [str(INCLUDE)], "depends": DEPENDS}
    paths = sorted(Path("glorotlab").rglob("*.pyx"))
    return [
        Extension(SHARED, [str(KERNELS / "_shared.c")], **options),
        *(Extension(".".join(path.with_suffix("").parts), [str(path)], **options) for path in paths),
    ]


def stem(extension: Extension) -> str:
    """Return the name of a module without its package."""
    return extension.name.rpartition(".")[2]


class BuildExt(build_ext):
    """build_ext that builds only what changed, as many files at a time as there are processors."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.force = self.force or FORCE
        self.parallel = self.parallel or os.cpu_count()
        self.in_source = bool(self.inplace or self.editable_mode)  # setuptools builds elsewhere and copies it there

    def build_extensions(self) -> None:
        stale = [extension for extension in self.extensions if not self.is_built(extension)]
        if not stale:
            return
        compile_args, link_args = self.openmp_flags()
        units = {unit: None for extension in stale for unit in LINKED.get(stem(extension), ())}
        stale.sort(key=lambda extension: (stem(extension) not in LINKED, -os.path.getsize(extension.sources[0])))
        with ThreadPoolExecutor(self.parallel) as pool:  # first in, first out: objects, then what waits for them
            self.objects = {unit: pool.submit(self.compile_unit, unit, compile_args) for unit in units}
            for extension in stale:
                level = ["-O1"] if stem(extension) in GLUE else []
                extension.extra_compile_args = [*COMPILE_ARGS, *level, *compile_args]
                extension.extra_link_args = link_args
            modules = [pool.submit(self.build_extension, extension) for extension in stale]
        for task in [*self.objects.values(), *modules]:
            task.result()
        BUILT.parent.mkdir(exist_ok=True)
        BUILT.write_text(SETTINGS)

    def is_built(self, extension: Extension) -> bool:
        """Whether a module is newer than all it is made of; one that stands in the source tree is taken from there."""
        path = self.get_ext_fullpath(extension.name)
        if self.in_source and not self.force:
            standing, _ = self._get_inplace_equivalent(self.get_finalized_command("build_py"), extension)
            if not newer_group([*extension.sources, *extension.depends], standing):
                self.mkpath(os.path.dirname(path))
                self.copy_file(standing, path)
        return not (self.force or newer_group([*extension.sources, *extension.depends], path))

    def compile_unit(self, unit: Unit, compile_args: list[str]) -> str:
        """Compile a file of C, where that has not been done, and return the path of its object."""
        source, folder = str(SOURCE / unit.source), str(Path("build", f"units.{self.plat_name}", unit.folder))
        [standing] = self.compiler.object_filenames([source], output_dir=folder)
        if not (self.force or newer_group([source, *DEPENDS], standing)):
            return standing
        [path] = self.compiler.compile(
            [source],
            output_dir=folder,
            macros=list(unit.macros),
            include_dirs=[str(INCLUDE)],
            extra_postargs=[*COMPILE_ARGS, "-fvisibility=hidden", *compile_args],
        )
        return path

    def build_extension(self, extension: Extension) -> None:
        """Compile and link a module, when its objects are there."""
        extension.extra_objects = [self.objects[unit].result() for unit in LINKED.get(stem(extension), ())]
        super().build_extension(extension)

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


if __name__ == "__main__":  # the processes that translate import this file where they are spawned
    setup(
        ext_modules=cythonize(
            extensions(),
            compiler_directives=DIRECTIVES,
            force=FORCE,
            nthreads=os.cpu_count(),
            shared_utility_qualified_name=SHARED,
        ),
        cmdclass={"build_ext": BuildExt},
    )
