"""What Hydra's launcher for submitit sees; what comes of it in a sweep is tested with the sweeps."""

import hydra_plugins.hydra_submitit_launcher as submitit_launcher
import pytest
import submitit
from hydra.core.utils import JobReturn
from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import LocalLauncher
from submitit.core.utils import UncompletedJobError

from tdr.patches.hydra_launchers import JobLost, dispatch, runs_here


@pytest.fixture
def launcher(monkeypatch):
    """A launcher for submitit that submits nothing, and says what it would submit with."""

    def launch(self, overrides, **_):
        self.executor = submitit.AutoExecutor
        if self.lost:
            raise UncompletedJobError("Job 7 has no result.")
        return [JobReturn() for _ in overrides]

    monkeypatch.setattr(LocalLauncher, "__init__", lambda _: None)
    monkeypatch.setattr(LocalLauncher, "launch", launch)
    launcher = LocalLauncher()
    launcher.lost = False
    return launcher


def test_submitit_waits_for_all_jobs(launcher):
    executor = submitit.AutoExecutor
    returned = dispatch(launcher, [["a=1"], ["a=2"]], 0)
    assert [result.overrides for result in returned] == [["a=1"], ["a=2"]]
    assert launcher.executor is not executor
    assert issubclass(launcher.executor, executor)
    assert submitit.AutoExecutor is executor, "afterwards it is as before"


@pytest.mark.parametrize("reason", ["off", "version"])
def test_submitit_is_left_as_it_is_where_the_switch_or_the_version_says_so(launcher, reason, monkeypatch, capsys):
    if reason == "off":
        monkeypatch.setenv("TDR_PATCHES", "off")
    else:
        monkeypatch.setattr(submitit_launcher, "__version__", "1.3.0")
    dispatch(launcher, [["a=1"]], 0)
    assert launcher.executor is submitit.AutoExecutor
    line = (
        "patch      tdr.patches.hydra_launchers steps aside: "
        "it was tried with hydra-submitit-launcher 1.2.0, this is 1.3.0\n"
    )
    assert capsys.readouterr().err == (line if reason == "version" else "")
    launcher.lost = True
    with pytest.raises(JobLost, match=r"A job must run to its end; got none\. Others may still run\. Job 7 has no"):
        dispatch(launcher, [["a=1"]], 0)


def test_one_launcher_runs_jobs_in_this_process():
    # When Hydra looks for its plugins, it loads them anew.
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher

    assert runs_here(BasicLauncher())
    assert not runs_here(JoblibLauncher())
