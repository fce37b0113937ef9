"""CPUs and memory that a process may use: files of the kernel's, as both versions of control groups write them."""

import os

import pytest

from glorotlab import resources
from glorotlab.errors import NotEnoughMemoryError

GIGABYTE = 10**9


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that writes what the kernel would show: the process's groups, and files of groups by path."""
    for name, place in (("CGROUPS", "cgroups"), ("PROCESS", "process")):
        monkeypatch.setattr(resources, name, tmp_path / place)
        (tmp_path / place).mkdir()
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(resources, "_free_memory", lambda: iter([64 * GIGABYTE]))

    def write(own, **files):
        (tmp_path / "process" / "cgroup").write_text(own)
        for path, text in files.items():
            file = tmp_path / "cgroups" / path.replace("__", "/").replace("_dot_", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    return write


@pytest.mark.parametrize(
    ("own", "files", "cpus"),
    [
        ("0::/\n", {}, 8),
        ("0::/job/step\n", {"job__cpu_dot_max": "max 100000\n"}, 8),
        ("0::/job/step\n", {"job__cpu_dot_max": "200000 100000\n", "job__step__cpu_dot_max": "max 100000\n"}, 2),
        ("0::/job/step\n", {"job__cpu_dot_max": "400000 100000\n", "job__step__cpu_dot_max": "150000 100000\n"}, 1),
        ("0::/of/the/host\n", {"cpu_dot_max": "30000 100000\n"}, 1),
        ("4:cpu,cpuacct:/job\n0::/\n", {"cpu,cpuacct__job__cpu_dot_cfs_quota_us": "-1\n"}, 8),
        (
            "4:cpu,cpuacct:/job\n1:name=systemd:/x\n",
            {
                "cpu,cpuacct__job__cpu_dot_cfs_quota_us": "300000\n",
                "cpu,cpuacct__job__cpu_dot_cfs_period_us": "100000\n",
            },
            3,
        ),
        ("4:cpu:/\n", {"cpu__cpu_dot_cfs_quota_us": "1600000\n", "cpu__cpu_dot_cfs_period_us": "100000\n"}, 8),
    ],
)
def test_quotas_of_cpus(machine, own, files, cpus):
    machine(own, **files)
    assert resources.usable_cpus() == cpus


MEGABYTE = 10**6


@pytest.mark.parametrize(
    ("own", "files", "available"),
    [
        ("0::/\n", {}, 64 * GIGABYTE),
        ("0::/job\n", {"job__memory_dot_max": "max\n", "job__memory_dot_current": "5\n"}, 64 * GIGABYTE),
        (
            "0::/job/step\n",
            {
                "job__memory_dot_max": f"{600 * MEGABYTE}\n",
                "job__memory_dot_current": f"{200 * MEGABYTE}\n",
                "job__memory_dot_stat": f"anon {150 * MEGABYTE}\nfile 7\ninactive_file {50 * MEGABYTE}\n",
                "job__step__memory_dot_max": "max\n",
            },
            450 * MEGABYTE,
        ),
        (
            "9:memory:/job\n",
            {
                "memory__memory_dot_limit_in_bytes": "9223372036854771712\n",
                "memory__memory_dot_usage_in_bytes": "9\n",
                "memory__job__memory_dot_limit_in_bytes": f"{600 * MEGABYTE}\n",
                "memory__job__memory_dot_usage_in_bytes": f"{650 * MEGABYTE}\n",
            },
            0,
        ),
    ],
)
def test_limits_of_memory(machine, own, files, available):
    machine(own, **files)
    assert resources.available_memory() == available


def test_what_the_address_space_leaves(machine, monkeypatch):
    machine("0::/\n")
    (resources.PROCESS / "statm").write_text("1000 600 300 1 0 500 0\n")
    limit = 10_000 * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr(resources.resource, "getrlimit", lambda kind: (limit, limit))
    assert resources.available_memory() == 9_000 * os.sysconf("SC_PAGE_SIZE")


def test_a_sum_that_is_too_large_is_refused_and_its_parts_are_named(monkeypatch):
    monkeypatch.setattr(resources, "available_memory", lambda: GIGABYTE)
    resources.check_memory("a job", {"weights": 0.6e9, "velocities": 0.3e9})
    with pytest.raises(NotEnoughMemoryError, match=r"a job: 1\.2 GB of memory needed \(weights 0\.6 GB, .*1 GB, which"):
        resources.check_memory("a job", {"velocities": 0.5e9, "weights": 0.6e9, "rest": 0.1e9})
    monkeypatch.setattr(resources, "available_memory", lambda: None)
    resources.check_memory("a job", {"weights": 1e30})


def test_this_machine_says_something():
    """On Linux both are known; elsewhere the memory there is."""
    assert resources.usable_cpus() >= 1
    available = resources.available_memory()
    assert available is None or available > 0


@pytest.mark.parametrize(("text", "found"), [(None, None), ("", None), ("  ", None), (" 3 ", "3")])
def test_an_empty_setting_is_none(monkeypatch, text, found):
    monkeypatch.delenv("GLOROTLAB_SOMETHING", raising=False)
    if text is not None:
        monkeypatch.setenv("GLOROTLAB_SOMETHING", text)
    assert resources.setting("GLOROTLAB_SOMETHING") == found
