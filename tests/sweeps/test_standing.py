"""A sweep in a tracking store."""

from tdr.config import TrackingConfig
from tdr.results.record import RunRecord
from tdr.results.sweep import Sweep, SweepJob
from tdr.sweeps.standing import close_sweep
from tdr.tracking.mlflow_client import TrackingError


class Store:
    """Notes what it gets, and takes no view if told so."""

    def __init__(self, takes_views: bool) -> None:
        self.takes_views = takes_views
        self.views: list[tuple] = []
        self.closed: list[tuple] = []

    def save_view(self, *arguments):
        if not self.takes_views:
            raise TrackingError("tracking.uri must take views.")
        self.views.append(arguments)

    def close_sweep(self, *arguments):
        self.closed.append(arguments)


def swept(folder):
    """A sweep of which one job has ended with results, one without, and one has not."""
    jobs = [SweepJob(mesh, mesh, {"mesh": mesh}, [f"mesh={mesh}"]) for mesh in ("cube", "torus", "sphere")]
    sweep = Sweep(folder, "meshes", ["mesh"], jobs, ["mesh=cube,torus,sphere"], str(folder), TrackingConfig(), 1.5)
    for job, status, results in zip(jobs, ("FINISHED", "FAILED"), (True, False), strict=False):
        (folder / job.folder).mkdir()
        record = RunRecord(job.name, status, 1.5, 2.5, folder / job.folder, uid=sweep.uid_of(job))
        if results:
            names = ("light.direction.0.x", "camera.fov")
            record.images = ["render.png", *(f"jacobian/{name}.png" for name in names), "check/error.png"]
            record.metrics = {f"jacobian/{name}/{key}": 1.0 for name in names for key in ("max_abs", "l2")}
        record.write_json()
    return sweep


def test_view_has_the_rendering_the_columns_and_their_largest_entries(tmp_path):
    store = Store(takes_views=True)
    close_sweep(store, "7", swept(tmp_path), None, "KILLED", {})
    assert store.views == [
        (
            "7",
            ["mesh"],
            ["jacobian/camera.fov/max_abs", "jacobian/light.direction.0.x/max_abs"],
            ["render.png", "jacobian/camera.fov.png", "jacobian/light.direction.0.x.png"],
        )
    ]


def test_view_that_cannot_be_saved_costs_a_line(tmp_path, capsys):
    with_view, without = Store(takes_views=True), Store(takes_views=False)
    sweep = swept(tmp_path)
    for store in (with_view, without):
        close_sweep(store, "7", sweep, None, "KILLED", {"time_s/total": 1.0})
    assert without.closed == with_view.closed
    (_, status, metrics, _, folder, files), *_ = without.closed
    counts = {"jobs/finished": 1, "jobs/failed": 1, "jobs/missing": 1, "jobs/check_failed": 0, "time_s/total": 1.0}
    assert (status, metrics, folder, files) == ("KILLED", counts, tmp_path, ["sweep.json"])
    assert capsys.readouterr().out.splitlines() == [
        "WARNING    The link to the sweep shows a list of its runs only. tracking.uri must take views."
    ]
