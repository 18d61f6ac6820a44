"""The Python half of the guest: everything about a function that is not on its hot path.

Called by runtime/guest only. `boot` runs once, in the snapshot where there is one; `reseed`, `make_logger` and `load` once
per instance; `describe` for each error. User code never sees this package: its frames are left out of tracebacks.
"""

from . import boot as _boot
from . import driver as _driver
from . import errors as _errors
from . import logs as _logs
from . import report as _report

BadPackage = _errors.BadPackage
boot = _boot.boot
reseed = _boot.reseed
make_logger = _logs.make_logger
load = _driver.load
describe = _report.describe
