#!/usr/bin/env bash
# The tests of the kernels and of the network with AddressSanitizer and UndefinedBehaviorSanitizer, in a copy of the tree.
# Any report ends the process, and so the tests. Arguments go to pytest. GCC alone; about five minutes of CPU, most of it for the compiler.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

git ls-files -z | xargs -0 cp --parents -t "$work"
cd "$work"

# setup.py puts its own -O3 before what CFLAGS says of optimisation: the compiler takes the last, so it is said again.
python - << 'PYTHON'
from pathlib import Path
path = Path("setup.py")
flags = '"-O1", "-g1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"'
text = path.read_text()
marked = 'COMPILE_ARGS += ["-O1", "-g1"] if DEBUG else ["-g0"]'
assert marked in text, "setup.py no longer says its flags as this script expects"
path.write_text(text.replace(marked, f"COMPILE_ARGS += [{flags}]").replace('["-O1"] if stem', '[] if stem'))
PYTHON
export LDFLAGS="-fsanitize=address,undefined ${LDFLAGS:-}"
python setup.py -q build_ext --inplace

# Python itself is not instrumented: the runtime must be loaded first, and what Python never frees is no leak of ours.
LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
export LD_PRELOAD
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:abort_on_error=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1
export PYTHONMALLOC=malloc PYTHONPATH="$work" GLOROTLAB_NUM_THREADS="${GLOROTLAB_NUM_THREADS:-2}"
python -c "import glorotlab.kernels.build_info as b; assert b.__file__.startswith('$work/'), b.__file__"
grep -q libasan /proc/self/maps || { echo "libasan is not loaded"; exit 1; }
# Calls of malloc are counted by a library that is loaded first too, so that test cannot run here.
python -m pytest tests/kernels tests/network -m "not arm64 and not torch" --ignore tests/kernels/test_allocations.py "$@"
