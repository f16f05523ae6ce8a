from __future__ import annotations

import dataclasses
import getpass
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from tdr.errors import InputError
from tdr.results.record import RunRecord, environment_tags


def test_record_survives_the_disk_and_a_move(tmp_path: Path):
    folder = tmp_path / "out"
    folder.mkdir()
    record = RunRecord(
        name="tilted",
        status="FINISHED",
        start_time=1_700_000_000.25,
        end_time=1_700_000_003.5,
        output_dir=folder,
        params={"light.direction": [[1.0, -1.0, -1.0]], "mesh": "sphere"},
        metrics={"a": 1.5, "b": math.inf, "c": None},
        tags={"paper": "fig3"},
        images=["render.png"],
        description="Three columns.",
        sweep="0" * 32,
        exit_status=2,
    )
    assert record.write_json() == folder / "record.json"
    folder.rename(tmp_path / "moved")
    text = (tmp_path / "moved" / "record.json").read_text()
    json.loads(text, parse_constant=pytest.fail)
    assert str(tmp_path) not in text
    assert RunRecord.read_json(tmp_path / "moved" / "record.json") == dataclasses.replace(
        record, output_dir=tmp_path / "moved"
    )
    assert [path.name for path in (tmp_path / "moved").iterdir()] == ["record.json"]


@pytest.mark.parametrize("text", ["{", "[]", '{"metrics": {}}', '{"metrics": {"a": "many"}}'])
def test_other_files_are_not_records(tmp_path: Path, text: str):
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(InputError, match=r"path must be a record\.json that a run wrote; got .*record\.json"):
        RunRecord.read_json(tmp_path / "record.json")


@pytest.mark.parametrize(
    "change",
    [{"status": "LOST"}, {"status": None}, {"images": ["../x.png"]}, {"files": {"/etc/hostname": 1}}, {"images": None}],
)
def test_a_record_of_what_is_elsewhere_or_unknown_is_refused(tmp_path: Path, change: dict):
    record = RunRecord("a", "FINISHED", 1.0, 2.0, tmp_path, images=["x.png"])
    path = record.write_json()
    assert RunRecord.read_json(path).images == ["x.png"]
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=r"path must be a record\.json that a run wrote"):
        RunRecord.read_json(path)


def test_environment_tags_tell_commit_and_changes(tmp_path: Path):
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()

    git("init")
    assert environment_tags(tmp_path)["mlflow.source.git.commit"] == "unknown"
    git("commit", "--allow-empty", "-m", "first")
    tags = environment_tags(tmp_path)
    assert (tags["mlflow.source.git.commit"], tags["tdr.git.dirty"]) == (git("rev-parse", "HEAD"), "false")
    (tmp_path / "new.py").touch()
    assert environment_tags(tmp_path)["tdr.git.dirty"] == "true"
    git("add", "new.py")
    git("commit", "-m", "second")
    (tmp_path / "new.py").write_text("changed")
    assert environment_tags(tmp_path)["tdr.git.dirty"] == "true"


def test_environment_tags_without_git(tmp_path: Path, monkeypatch):
    tags = environment_tags(tmp_path)
    assert (tags["mlflow.source.git.commit"], tags["tdr.git.dirty"]) == ("unknown", "unknown")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "experiments" / "jacobian.py")])
    tags = environment_tags(tmp_path)
    assert (tags["mlflow.source.git.commit"], tags["tdr.git.dirty"]) == ("unknown", "unknown")
    assert tags["mlflow.source.name"] == "experiments/jacobian.py"
    assert tags["mlflow.user"] == getpass.getuser()
    assert tags["tdr.taichi"] == "1.7.4"
