"""Builds the package (PEP 517). It needs nothing but Python, so `pip install` works without a network."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Dict, Optional

ROOT = Path(__file__).resolve().parent
VERSION = re.findall(r'"(.+)"', (ROOT / "src/pollux_client/version.py").read_text())[-1]
NAME = f"pollux_client-{VERSION}"
METADATA = f"""\
Metadata-Version: 2.1
Name: pollux-client
Version: {VERSION}
Summary: The client of Pollux, a daemon that submits each generation task once and keeps its result.
License: Apache-2.0
Requires-Python: >=3.9
Classifier: Operating System :: POSIX
Classifier: Programming Language :: Python :: 3
Classifier: Typing :: Typed
"""
WHEEL = "Wheel-Version: 1.0\nGenerator: pollux\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def build_wheel(
    wheel_directory: str, config_settings: Optional[Dict[str, Any]] = None, metadata_directory: Optional[str] = None
) -> str:
    files = {f"pollux_client/{path.name}": path.read_bytes() for path in _sources()}
    files[f"{NAME}.dist-info/METADATA"] = METADATA.encode()
    files[f"{NAME}.dist-info/WHEEL"] = WHEEL.encode()
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{NAME}.dist-info/RECORD"] = f"{record}{NAME}.dist-info/RECORD,,\n".encode()
    wheel = f"{NAME}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return wheel


def build_sdist(sdist_directory: str, config_settings: Optional[Dict[str, Any]] = None) -> str:
    sdist = f"{NAME}.tar.gz"
    with tarfile.open(Path(sdist_directory) / sdist, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for path in [ROOT / "pyproject.toml", Path(__file__).resolve(), *_sources()]:
            archive.add(path, f"{NAME}/{path.relative_to(ROOT)}")
        info = tarfile.TarInfo(f"{NAME}/PKG-INFO")
        info.size = len(METADATA.encode())
        archive.addfile(info, io.BytesIO(METADATA.encode()))
    return sdist


def _sources() -> list[Path]:
    return sorted(
        path for path in (ROOT / "src/pollux_client").iterdir() if path.suffix == ".py" or path.name == "py.typed"
    )


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
