"""Mesh files for the tests of what reads them."""

import pytest

from tdr.scene.mesh import TriangleMesh


@pytest.fixture
def load(tmp_path):
    """Write a file and load it as it is."""

    def load(name, content, normalize=False):
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return TriangleMesh.load(tmp_path / name, normalize)

    return load
