"""Environment: what an attempt may see of the control plane's, by name; everything else stays here.

A list of what is allowed, because a list of what is secret is never complete. Proxies are left out on purpose:
their URLs hold passwords.
"""

import os
from collections.abc import Mapping
from typing import Final

ALLOWED: Final = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE",
        "LD_LIBRARY_PATH", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "MPLCONFIGDIR",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
        "TORCH_HOME", "TORCH_EXTENSIONS_DIR", "HF_HOME", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "TRANSFORMERS_OFFLINE",
        "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "CUBLAS_WORKSPACE_CONFIG", "ARC_ALLOW_FAULT_JOBS",
    }
)  # fmt: skip
ALLOWED_PREFIXES: Final = ("LC_", "CUDA_", "NVIDIA_", "NCCL_")

FIXED: Final[Mapping[str, str]] = {
    # Native threads must not exist before the fork; each attempt then sets its own frozen number.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",  # an idle thread of one attempt must not spin on a core of another
    "PYTHONSAFEPATH": "1",  # the working folder is no place to import from
    "ARC_WORKER": "1",  # marks the warm server and all that comes from it
}


def scrubbed(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the warm server and its attempts get, of `environment` or of this process's own."""
    source = os.environ if environment is None else environment  # noqa: TID251 - handed on by name, no setting is read
    kept = {name: value for name, value in source.items() if name in ALLOWED or name.startswith(ALLOWED_PREFIXES)}
    return kept | dict(FIXED)
