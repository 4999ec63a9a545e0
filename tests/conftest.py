"""What holds for all tests: none of their examples is timed, and processes of tests share the processors."""

import os

# several processes of tests, each with a BLAS thread for every processor, spend most of their time waiting
# for each other; the BLAS reads this when it is loaded, and so do the processes that tests start
if _workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) - 1:
    for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ.setdefault(_name, str(max(1, (os.cpu_count() or 1) // (_workers + 1))))

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
