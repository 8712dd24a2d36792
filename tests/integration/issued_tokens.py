"""Tokens that a real API server issues: ServiceAccounts, pods of theirs, TokenRequests."""

import json

from tradewind.client.errors import ApiError


class Issuer:
    """Makes ServiceAccounts and their tokens, as the kubelet asks for them."""

    def __init__(self, cluster, namespace):
        self.cluster = cluster
        self.namespace = namespace

    async def account(self, name):
        body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        await self._make(f"/api/v1/namespaces/{self.namespace}/serviceaccounts", body)

    async def _make(self, path, body):
        """Create the object; another test of this namespace may have made the same one."""
        try:
            await self.cluster.transport.call("POST", path, body=body)
        except ApiError as error:
            if not error.is_already_exists:
                raise

    async def pod(self, name, *, account="worker", labels=None, annotations=None):
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}},
            "spec": {
                "serviceAccountName": account,
                "automountServiceAccountToken": False,
                "containers": [{"name": "base", "image": "worker:1"}],
            },
        }
        return await self.cluster.create_pod(self.namespace, manifest)

    async def token(self, *, account="worker", pod=None, audience="tradewind", seconds=600):
        """Return a token of the account, bound to the pod where one is given."""
        spec = {"audiences": [audience] if audience else [], "expirationSeconds": seconds}
        if pod is not None:
            spec["boundObjectRef"] = {
                "kind": "Pod",
                "apiVersion": "v1",
                "name": pod.metadata.name,
                "uid": pod.metadata.uid,
            }
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{account}/token"
        answer = await self.cluster.transport.call("POST", path, body=body)
        return json.loads(answer)["status"]["token"]

    async def role(self, account, rules):
        """Give the account a Role of its own name."""
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}"
        kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": account}}
        role = kind | {"kind": "Role", "rules": rules}
        await self._make(f"{path}/roles", role)
        group = "rbac.authorization.k8s.io"
        binding = kind | {
            "kind": "RoleBinding",
            "roleRef": {"apiGroup": group, "kind": "Role", "name": account},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": self.namespace}],
        }
        await self._make(f"{path}/rolebindings", binding)

    async def may_review_tokens(self, account):
        """Give the account the right that verifying by TokenReview needs, on the whole cluster."""
        name = f"{self.namespace}-{account}-reviews"
        body = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:auth-delegator",
            },
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": self.namespace}],
        }
        path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
        await self.cluster.transport.call("POST", path, body=body)
