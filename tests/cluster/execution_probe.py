"""A pod that asks a release's execution API ten times a second, as tasks do, and writes it down."""

import json

from tradewind_tools import kubectl

POD = "prober"
PROBE = """
import json, time, urllib.request
URL = "http://tradewind-api-server:8080/execution/health"
asked, failed, longest, began = 0, [], 0.0, time.time()
answered = began
while True:
    asked += 1
    try:
        urllib.request.urlopen(URL, timeout=30).read()
        now = time.time()
        longest, answered = max(longest, now - answered), now
    except Exception as error:
        failed.append([round(time.time() - began, 1), repr(error)])
    if asked % 10 == 0:
        said = {"asked": asked, "failed": failed, "longest_gap_s": round(longest, 2)}
        print(json.dumps(said), flush=True)
    time.sleep(max(0.0, began + asked * 0.1 - time.time()))
"""


def start(target, *, namespace, like):
    """Start the pod with the image and the security of the pod `like`.

    Every question takes a new connection through the Service, so that it meets whichever API
    server is in it at that moment. A slow answer of a busy node is one: it shows in the gaps.
    """
    container = like["spec"]["containers"][0]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": POD, "namespace": namespace},
        "spec": {
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "securityContext": like["spec"]["securityContext"],
            "containers": [
                {
                    "name": "prober",
                    "image": container["image"],
                    "args": ["python", "-I", "-c", PROBE],
                    "securityContext": container["securityContext"],
                    "resources": {"limits": {"memory": "128Mi"}},
                }
            ],
        },
    }
    kubectl.run(target, "create", "-f", "-", text_input=json.dumps(pod))


def end(target, *, namespace):
    """Remove the pod; return questions `asked`, those `failed`, `longest_gap_s` of two answers."""
    said = kubectl.run(target, "logs", "-n", namespace, POD, "--tail=1")
    kubectl.run(target, "delete", "pod", "-n", namespace, POD, "--now")
    return json.loads(said)
