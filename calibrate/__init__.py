"""Calibrate spiking neural networks: Optuna proposes, GeNN simulates in batches, NEST checks.

`__init__.pyi` lists what `from calibrate import ...` offers. Each is imported when it is first used, so that
the processes that simulate load nothing that they do not need.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
