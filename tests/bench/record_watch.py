"""Write what a watch of pods tells to a file, line by line as the API server sends it.

Arguments: server, token, certificate, namespace, version to begin after, file.
"""

import sys
import urllib.request
from pathlib import Path

from tradewind.testing.trust import trusting

PATH = "{}/api/v1/namespaces/{}/pods?watch=true&resourceVersion={}&labelSelector={}"
SELECTOR = "kubernetes_executor"


def main(server, token, certificate, namespace, version, file):
    request = urllib.request.Request(
        PATH.format(server, namespace, version, SELECTOR),
        headers={"Authorization": f"Bearer {token}"},
    )
    with (
        urllib.request.urlopen(request, context=trusting(certificate)) as answer,
        Path(file).open("wb", buffering=0) as output,
    ):
        print("ready", flush=True)
        output.writelines(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
