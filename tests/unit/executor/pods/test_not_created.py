import pytest

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.pods import not_created
from tradewind.pods.causes import Kind

FORBIDDEN = 'pods "etl-load" is forbidden: '


@pytest.mark.parametrize(
    ("error", "kind", "remedy"),
    [
        pytest.param(
            ApiError(
                403,
                reason="Forbidden",
                message=f"{FORBIDDEN}exceeded quota: compute, requested: pods=1, used: pods=10, "
                "limited: pods=10",
            ),
            Kind.QUOTA,
            "raise the quota",
            id="quota",
        ),
        pytest.param(
            ApiError(
                403, message=f"{FORBIDDEN}failed quota: compute: must specify limits.cpu for: base"
            ),
            Kind.ADMISSION_DENIED,
            "set the requests and limits",
            id="quota-wants-limits",
        ),
        pytest.param(
            ApiError(403, message='admission webhook "policy" denied the request: no latest tag'),
            Kind.ADMISSION_DENIED,
            "as the policy says",
            id="webhook",
        ),
        pytest.param(
            ApiError(
                422, message=f"{FORBIDDEN}ValidatingAdmissionPolicy 'p' with binding 'b' denied"
            ),
            Kind.ADMISSION_DENIED,
            "as the policy says",
            id="policy-answers-as-invalid",
        ),
        pytest.param(
            ApiError(403, message=f'{FORBIDDEN}violates PodSecurity "restricted:latest"'),
            Kind.ADMISSION_DENIED,
            "as the policy says",
            id="pod-security",
        ),
        pytest.param(
            ApiError(403, message=f"{FORBIDDEN}maximum memory usage per Container is 1Gi"),
            Kind.ADMISSION_DENIED,
            "change the pod template",
            id="limit-range",
        ),
        pytest.param(
            ApiError(403, message=f"{FORBIDDEN}namespace x because it is being terminated"),
            Kind.ADMISSION_DENIED,
            "create the namespace again",
            id="namespace-ends",
        ),
        pytest.param(
            ApiError(403, message='User "s" cannot create resource "pods" in API group ""'),
            Kind.FORBIDDEN,
            "Role",
            id="no-right",
        ),
        pytest.param(ApiError(401), Kind.FORBIDDEN, "kubeconfig", id="unknown-to-the-server"),
        pytest.param(ApiError(404), Kind.INVALID_POD, "create the namespace", id="no-namespace"),
        pytest.param(ApiError(413), Kind.INVALID_POD, "make the pod smaller", id="too-large"),
        pytest.param(
            ApiError(422, message='Pod "x" is invalid: spec.containers[0].image: Required'),
            Kind.INVALID_POD,
            "named field",
            id="invalid",
        ),
        pytest.param(
            ApiError(500, message='Internal error occurred: failed calling webhook "policy"'),
            Kind.API_UNAVAILABLE,
            "admission webhook",
            id="webhook-down",
        ),
        pytest.param(ApiError(503), Kind.API_UNAVAILABLE, "check the API server", id="overload"),
        pytest.param(
            ConnectionLostError("no answer"),
            Kind.API_UNAVAILABLE,
            "scheduler's way",
            id="no-answer",
        ),
        pytest.param(ApiError(418), Kind.OTHER, "look the reason up", id="anything-else"),
    ],
)
def test_a_refused_create_is_told_with_what_to_do(error, kind, remedy):
    cause = not_created.explain(error)
    assert cause.kind is kind
    assert cause.sentence.startswith(f"the pod was not created: {str(error).rstrip(': ')}")
    assert remedy in cause.sentence.partition("; ")[2]
