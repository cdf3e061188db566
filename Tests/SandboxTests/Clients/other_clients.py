"""The official Python clients of the other providers against the sandbox: one task each, to its result.

Run by scripts/check-sandbox-clients.sh; the first argument is the base URL of the sandbox. A sandbox at speed 30 or more
makes a task of `[seconds=60]` in two seconds.
"""

import os
import sys
import tempfile
import urllib.parse

import sdks
from wire import Wire, make_certificate


def main():
    base = sys.argv[1].rstrip("/")
    with tempfile.TemporaryDirectory() as folder:
        certificate = make_certificate(folder)
        os.environ["SSL_CERT_FILE"] = certificate[0]
        # fal's client speaks TLS only.
        wire = Wire(urllib.parse.urlsplit(base).port, certificate)
        for sdk in sdks.ALL:
            address = f"https://{wire.address}/fal" if sdk is sdks.Fal else base
            if sdk not in (sdks.Fal, sdks.AceDataCloud):
                address += f"/{sdk.provider}"
            client = sdk(address, "sandbox", timeout=30)
            result = client.result(client.submit("A cat in the rain [seconds=60]"), seconds=60)
            assert result, sdk
            print(f"ok  {sdk.package}, {sdk.operation}: {result}")


if __name__ == "__main__":
    main()
