"""Random scenes whose derivatives are right: no check may say that they are wrong."""

from collections import Counter

import pytest
import random_scenes
from hypothesis import given, settings
from hypothesis import strategies as st

import tdr
from tdr.check.check import check_jacobian
from tdr.results.check_result import CheckResult, Verdict

COTANGENTS = st.sampled_from([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], "rgb"])


def described(pipeline: tdr.Pipeline, result: CheckResult) -> str:
    """The scene's settings and what was found, to reproduce it."""
    stages = (pipeline.camera.settings, pipeline.light_array.settings, pipeline.shader.settings, pipeline.placement)
    mesh = f"{pipeline.mesh.num_triangles} triangles at {pipeline.resolution}"
    wrong = [f"{check.column.name}: {check}" for check in result.columns if check.verdict is Verdict.failed]
    return "\n".join([mesh, *map(str, stages), *result.findings, str(result.direction), *wrong])


def verdicts_of(examples: int, mode: str, scenes: st.SearchStrategy[tdr.Pipeline]) -> Counter[Verdict]:
    """How often each verdict comes out; a scene that fails is raised."""
    counts: Counter[Verdict] = Counter()

    @settings(max_examples=examples)
    @given(scenes, COTANGENTS)
    def check(pipeline, cotangent):
        jacobian = tdr.compute_jacobian(pipeline, "all", cotangent=cotangent)
        result = check_jacobian(pipeline, jacobian, mode)
        assert result.verdict is not Verdict.failed, described(pipeline, result)
        counts[result.verdict] += 1

    check()
    return counts


SCENES = {"unit": random_scenes.pipelines(), "anywhere": random_scenes.placed_pipelines()}


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize(
    ("examples", "mode"),
    [
        (100, "quick"),
        pytest.param(1000, "quick", marks=pytest.mark.slow),
        pytest.param(50, "full", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("scenes", SCENES)
def test_right_derivatives_raise_no_alarm(examples, mode, scenes):
    counts = verdicts_of(examples, mode, SCENES[scenes])
    assert sum(counts.values()) >= examples
    # A test that compared nothing would find nothing wrong.
    assert 3 * counts[Verdict.passed] >= 2 * examples, counts
