"""What each peer needs, made once by environments.sh; a peer that cannot be had is told with its reason."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

PEERS = Path(__file__).resolve().parents[1]
TIMEOUT_S = 1800.0
_JAR = re.compile(r"(.+?)-(\d.*)\.jar")


@dataclass(frozen=True)
class Environment:
    """`reason`: why it is missing; empty where it is there. `versions`: of the packages in it, with the Python's."""

    folder: Path = Path()
    reason: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")


def prepare(name: str) -> Environment:
    """Minutes, the first time."""
    try:
        done = subprocess.run([str(PEERS / "environments.sh"), name], capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return Environment(reason=f"not installed within {TIMEOUT_S:.0f} s")
    if done.returncode != 0:
        return Environment(reason=reason_in(done.stderr))
    folder = Path(done.stdout.strip())
    return Environment(folder, versions=_versions(folder))


def reason_in(stderr: str) -> str:
    """The line that says most: pip's first error, else the last line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no reason given"])[0 if errors else -1]


def _versions(folder: Path) -> dict[str, str]:
    python = folder / "bin" / "python"
    if not python.exists():
        jars = [*folder.glob("jars/*.jar"), *folder.glob("*.jar")]
        return {match[1]: match[2] for jar in jars if (match := _JAR.fullmatch(jar.name)) is not None}
    code = (
        "import importlib.metadata as m, platform, json;"
        "print(json.dumps({'python': platform.python_version(), **{d.name: d.version for d in m.distributions()}}))"
    )
    done = subprocess.run([str(python), "-I", "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found
