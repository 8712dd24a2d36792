import pytest

from tradewind.worker import cgroup

V2 = {
    "memory.peak": "73400320\n",
    "cpu.stat": "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n",
    "memory.events": "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n",
}
V1 = {
    "memory/memory.max_usage_in_bytes": "73400320\n",
    "cpuacct/cpuacct.usage": "2500000000\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
}
V1_JOINT = {
    "memory/memory.max_usage_in_bytes": "73400320\n",
    "cpu,cpuacct/cpuacct.usage": "2500000000\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
}


def a_group(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize("files", [V2, V1, V1_JOINT], ids=["v2", "v1", "v1-joint-controllers"])
def test_what_the_kernel_counted_is_read(tmp_path, files):
    root = a_group(tmp_path, files)
    assert cgroup.peak_memory_bytes(root) == 73_400_320
    assert cgroup.cpu_s(root) == 2.5
    assert cgroup.oom_kills(root) == 1


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"memory.peak": "max\n", "cpu.stat": "nothing\n", "memory.events": "oom_kill\n"},
        {"memory.peak": "\xff", "cpu.stat": "usage_usec many\n"},
    ],
    ids=["old-kernel", "no-numbers", "garbage"],
)
def test_what_the_node_does_not_tell_is_unknown(tmp_path, files):
    root = a_group(tmp_path, files)
    assert cgroup.peak_memory_bytes(root) is None
    assert cgroup.cpu_s(root) is None
    assert cgroup.oom_kills(root) is None
