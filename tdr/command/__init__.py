"""From a command line to a job, and from an error to a line on the terminal.

The rooms of this wing import Hydra. What is to happen before is here: a command's time is counted from its start.
"""

from tdr.patches.garbage_collector import collect_rarely
from tdr.timing import Stopwatch

since_start = Stopwatch()
collect_rarely()
