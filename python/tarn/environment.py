"""python -m tarn.environment DIR: makes the virtual environment of a cluster in DIR (nothing if it is there).

It sees the packages of the interpreter that makes it, below its own: what is installed into it goes before them.
"""
from __future__ import annotations

import os
import site
import sys
import sysconfig
import venv


def make(path: str) -> str:
    """The interpreter of the environment at path."""
    python = os.path.join(path, "bin", "python")
    done = os.path.join(path, ".made")
    if not os.path.exists(done):
        venv.EnvBuilder(symlinks=True, with_pip=False, clear=True).create(path)
        packages = os.path.join(path, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
        below = [p for p in dict.fromkeys([*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]) if os.path.isdir(p)]
        with open(os.path.join(packages, "tarn-below.pth"), "w") as f:
            f.write("".join(p + "\n" for p in below))
        open(done, "w").close()
    return python


if __name__ == "__main__":
    print(make(sys.argv[1]))
