"""Runs pip out of its wheel: python -I install.py WHEEL COMMAND [ARGUMENT]...

Of the user's pip settings (files and PIP_* variables) those are kept that say where packages come
from and how to reach it; those that say where packages go (user, target, prefix...) or what kind may
come are dropped, because they would break the environment.
"""

import ctypes
import os
import signal
import sys

KEPT = {
    "cache-dir",
    "cert",
    "client-cert",
    "default-timeout",
    "extra-index-url",
    "find-links",
    "index-url",
    "keyring-provider",
    "no-cache-dir",
    "no-index",
    "proxy",
    "resume-retries",
    "retries",
    "timeout",
    "trusted-host",
    "use-deprecated",
    "use-feature",
}


def kept_settings() -> dict[str, str]:
    """Returns the user's settings that are kept, the more specific over the more general."""
    from pip._internal.configuration import Configuration

    configuration = Configuration(isolated=False)
    configuration.load()
    found: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for key, value in flat(dict(configuration.items())).items():
            where, _, name = key.partition(".")
            if where == section and name in KEPT and value:
                found[name] = value
    return found


def flat(settings: dict) -> dict[str, str]:
    """Returns the settings of every file together, later files over earlier ones."""
    result: dict[str, str] = {}
    for key, value in settings.items():
        result.update(value if isinstance(value, dict) else {key: value})
    return result


def main() -> int:
    # A killed server must not leave a pip behind that goes on writing.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    wheel, *arguments = sys.argv[1:]
    sys.path.insert(0, wheel)
    settings = kept_settings()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        del os.environ[name]
    os.environ["PIP_CONFIG_FILE"] = os.devnull
    settings.setdefault("retries", "2")
    if settings["retries"] == "0":
        settings["retries"] = "1"  # Only when it tries again, pip says why an index does not answer.
    for name, value in settings.items():
        os.environ["PIP_" + name.upper().replace("-", "_")] = value

    from pip._internal.cli.main import main as pip

    return pip(arguments)


sys.exit(main())
