import pytest

from tradewind.doctor import permissions
from tradewind.doctor.findings import State
from tradewind.doctor.permissions import PERMISSIONS, Need


def answered(namespaces, *, denied=(), allowed=()):
    """Return answers of a Role that has all it needs, but for these."""
    asked = permissions.questions(namespace="home", watched=namespaces)
    return [
        (
            question,
            str(question.permission) in allowed
            or (
                question.permission.need is not Need.EXCESSIVE
                and str(question.permission) not in denied
            ),
        )
        for question in asked
    ]


def test_every_watched_namespace_is_asked_about():
    asked = permissions.questions(namespace="a", watched=("a", "b"))
    assert len(asked) == 2 * len(PERMISSIONS)
    assert {question.namespace for question in asked} == {"a", "b"}


def test_cluster_wide_only_lists_and_watches_need_a_cluster_role():
    asked = permissions.questions(namespace="home", watched=())
    everywhere = [str(q.permission) for q in asked if not q.namespace]
    assert everywhere == ["list pods", "watch pods"]
    assert {q.namespace for q in asked} == {"", "home"}


def test_the_right_role_is_one_good_finding_per_namespace():
    findings = permissions.judge(answered(("a", "b")))
    assert [finding.state for finding in findings] == [State.OK, State.OK]
    assert "'b'" in findings[1].found


@pytest.mark.parametrize(
    ("denied", "allowed", "state", "found", "remedy"),
    [
        pytest.param(
            {"create pods", "watch pods"},
            (),
            State.FAIL,
            "may not create pods, watch pods in namespace 'a'",
            "add to the Role of namespace 'a': pods [create, watch]",
            id="required",
        ),
        pytest.param(
            {"get pods/log", "list events"},
            (),
            State.WARN,
            "so it cannot show the log of a running or dead pod or say why a pod does not start",
            "add to the Role of namespace 'a': pods/log [get]; events [list]",
            id="useful",
        ),
        pytest.param(
            (),
            {"create pods/exec", "list secrets"},
            State.WARN,
            "can enter every pod of the namespace or read every secret there",
            "take out of the Role of namespace 'a': pods/exec [create]; secrets [list]",
            id="excessive",
        ),
    ],
)
def test_a_wrong_role_says_what_and_why(denied, allowed, state, found, remedy):
    (finding,) = permissions.judge(answered(("a",), denied=denied, allowed=allowed))
    assert finding.state is state
    assert found in finding.found
    assert finding.remedy == remedy


def test_a_missing_cluster_role_is_called_so():
    findings = permissions.judge(answered((), denied={"list pods"}))
    (failed,) = [finding for finding in findings if finding.state is State.FAIL]
    assert "in all namespaces" in failed.found
    assert failed.remedy == "add to the ClusterRole: pods [list]"
