"""The steps from a mesh to a pixel's colour.

Each module holds the pure ``ti.func`` s of one subject, written once and differentiable with respect to every
floating-point argument, and the class that owns the subject's settings. The functions are generic in precision:
they compute in the type of their arguments. Kernels (:mod:`tdr.kernels`) only compose them.

Taichi reads annotations at run time, so modules with device code do not postpone them.
"""

import tdr.backend  # noqa: F401 (imports Taichi quietly, before the modules of this package do)
