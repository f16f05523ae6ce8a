import pytest

from tdr.config import memory
from tdr.config.memory import format_bytes, parse_bytes
from tdr.errors import InputError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GB", 2 * 10**9),
        ("512 MB", 512 * 10**6),
        ("1.5gib", 3 * 2**29),
        ("100", 100),
        (4096, 4096),
        ("64kB", 64000),
        ("7 b", 7),
    ],
)
def test_amounts_as_people_write_them(text, size):
    assert parse_bytes("key", text, most=8 * 10**9) == size


@pytest.mark.parametrize("text", ["much", "", "0", "-1GB", "GB", "1 TB", "9GB", True, None, [1], "1e400", "nan"])
def test_what_is_no_amount_names_the_key_and_the_range(text):
    with pytest.raises(InputError, match=r"^jacobian.memory_limit must be .* 512MB, at most 8\.0 GB; got ") as error:
        parse_bytes("jacobian.memory_limit", text, most=8 * 10**9)
    assert repr(text) in str(error.value)


def test_amounts_are_said_with_their_unit():
    sizes = (7, 1500, 123_456, 1e9, 7.25e9, 31_400_000_000)
    assert [*map(format_bytes, sizes)] == ["7 bytes", "1.5 kB", "123 kB", "1.0 GB", "7.2 GB", "31.4 GB"]


class TestWhatIsFree:
    """A made-up /proc and /sys of a machine with 2 GB free."""

    def free(self, root, cgroup="", **limits):
        (root / "proc/self").mkdir(parents=True)
        (root / "proc/meminfo").write_text("MemTotal:  4000000 kB\nMemAvailable:    2000000 kB\n")
        if cgroup:
            (root / "proc/self/cgroup").write_text(cgroup)
        for name, limit in limits.items():
            path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_max", ".max").replace("_in", ".limit_in")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(limit)
        return min(memory._free(root))

    def test_of_the_machine(self, tmp_path):
        assert self.free(tmp_path) == 2_048_000_000

    def test_of_a_control_group(self, tmp_path):
        assert self.free(tmp_path, "0::/job\n", job__memory_max="1000000\n") == 1_000_000

    def test_of_a_group_around_it(self, tmp_path):
        limits = {"a__job__memory_max": "max\n", "a__memory_max": "5000\n"}
        assert self.free(tmp_path, "0::/a/job\n", **limits) == 5000

    def test_of_a_group_of_the_first_version(self, tmp_path):
        cgroup = "3:cpuset:/\n2:cpu,memory:/job\n0::/\n"
        assert self.free(tmp_path, cgroup, memory__job__memory_in_bytes="7000\n") == 7000

    def test_elsewhere_nothing_is_known(self, tmp_path):
        assert [*memory._free(tmp_path)] == []


def test_a_run_takes_at_most_a_gigabyte_and_a_quarter_of_what_is_free(monkeypatch):
    for free, limit in (([], 10**9), ([8 * 10**9], 10**9), ([8 * 10**9, 10**9], 25 * 10**7)):
        monkeypatch.setattr(memory, "_free", lambda free=free: iter(free))
        assert memory.usual_limit.__wrapped__() == limit
