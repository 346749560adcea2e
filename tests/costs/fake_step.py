"""Takes the place of `costs.training_step`, without TensorFlow.

The options of the case say what it measures, or how it ends.
"""

import json
import os
import signal
import sys

options = json.loads(sys.argv[1])["options"]
turns = 0
for _ in sys.stdin:
    if options.get("end") == "memory":
        os.kill(os.getpid(), signal.SIGKILL)
    if options.get("end") == "error":
        sys.exit("ValueError: it cannot be trained.")
    sys.stdout.write("done\n")
    sys.stdout.flush()
    turns += 1
seconds = [options["seconds"] * (1 + turn) for turn in range(turns - 1)]
sys.stdout.write(
    json.dumps(
        {
            "seconds": seconds,
            "baseline_bytes": 1_000_000,
            "peak_bytes": 1_000_000 + options["bytes"],
            "all_reduced_bytes": 2_500_000,
            "pipeline_images": 8.0,
        }
    )
)
