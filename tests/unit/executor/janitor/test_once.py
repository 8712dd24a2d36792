"""What a sweep by hand prints."""

from doubles import manifest

from tradewind.janitor import once, view
from tradewind.janitor.policy import Action, Reason, Verdict
from tradewind.janitor.sweep import Finding, Report


def test_names_of_pods_are_whole_where_there_is_no_terminal(capsys):
    pod = view.of(manifest("a-dag-with-a-long-name-and-a-task-with-one-0cb41f8b7e", notes={}))
    verdict = Verdict(
        action=Action.REPORT, reason=Reason.FINALIZER, sentence="is held by example.com/audit: " * 5
    )
    once.show(Report(findings=[Finding(pod=pod, verdict=verdict)]))
    assert f"{pod.namespace}/{pod.name}" in capsys.readouterr().out
