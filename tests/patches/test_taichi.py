"""What is changed in Taichi: sources are looked up once, and a wrong index is an error."""

import pytest
import taichi
from taichi.lang import impl, kernel_impl
from taichi.lang.ast.ast_transformer_utils import ASTTransformerContext

from tdr.backend import ti
from tdr.patches import taichi as taichi_patch


def changed():
    """What is changed."""
    return impl.subscript, kernel_impl.getsourcefile, kernel_impl.getsourcelines, ASTTransformerContext.get_pos_info


def test_taichi_is_changed():
    assert all(hasattr(function, "__wrapped__") for function in changed())
    assert hasattr(kernel_impl.getsourcelines, "cache_info")
    assert hasattr(kernel_impl.textwrap.fill, "cache_info")


@pytest.mark.parametrize("reason", ["off", "version"])
def test_nothing_is_changed_where_the_switch_or_the_version_says_no(reason, monkeypatch, capsys):
    if reason == "off":
        monkeypatch.setenv("TDR_PATCHES", "off")
    else:
        monkeypatch.setattr(taichi, "__version__", (1, 7, 5))
    before = changed()
    taichi_patch.install()
    assert changed() == before
    line = "patch      tdr.patches.taichi steps aside: it was tried with Taichi 1.7.4, this is 1.7.5\n"
    assert capsys.readouterr().err == (line if reason == "version" else "")


@pytest.mark.usefixtures("f64")
def test_the_source_of_a_function_is_read_once():
    @ti.func
    def square(x):
        return x * x

    @ti.kernel
    def often() -> ti.f64:
        total = 0.0
        for _ in ti.static(range(5)):
            total += square(3.0)
        return total

    read = kernel_impl.getsourcelines.cache_info()
    assert often() == 45.0
    after = kernel_impl.getsourcelines.cache_info()
    assert after.misses - read.misses <= 2, "the kernel and the function"
    assert after.hits - read.hits >= 4


def last_item() -> float:
    @ti.kernel
    def kernel() -> ti.f64:
        return ti.Vector([1.0, 2.0, 3.0, 4.0])[3]

    return kernel()


def last_slice() -> float:
    @ti.kernel
    def kernel() -> ti.f64:
        return ti.Vector([1.0, 2.0, 3.0, 4.0])[2:4].norm_sqr()

    return kernel()


@pytest.mark.usefixtures("f64")
@pytest.mark.parametrize(("read", "value"), [(last_item, 4.0), (last_slice, 25.0)])
def test_an_index_that_a_vector_does_not_have_is_an_error(read, value, monkeypatch):
    """The guard is told that a vector of four components has three, so that Taichi could stand what it refuses."""
    assert read() == value
    shape_of = taichi_patch.shape_of
    monkeypatch.setattr(taichi_patch, "shape_of", lambda vector: (3,) if shape_of(vector) == (4,) else shape_of(vector))
    with pytest.raises(ti.TaichiCompilationError, match="an index must be 0, 1 or 2; got 3"):
        read()


@pytest.mark.usefixtures("f64")
def test_what_is_read_of_taichi():
    shapes = []

    @ti.kernel
    def look() -> ti.f64:
        vector = ti.Vector([1.0, 2.0, 3.0])
        ti.static(shapes.append([taichi_patch.shape_of(value) for value in (vector, vector[0], "text")]))
        return vector[0]

    look()
    assert shapes == [[(3,), (), None]]
    assert taichi_patch.is_function(ti.func(lambda x: x))
    assert not taichi_patch.is_function(look)
