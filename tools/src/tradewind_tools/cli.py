"""The command line behind Taskfile.yml: parse, call, print. No decisions here."""

import os
import sys
from collections.abc import Callable
from typing import Any

import click
from rich.markup import escape

from tradewind_tools import (
    chart_values,
    console,
    image_contents,
    images,
    paths,
    programs,
    publish,
    release,
    runs,
    status,
    target,
    tiers,
    upstream,
)
from tradewind_tools.cluster import bringup, teardown
from tradewind_tools.cluster import status as local_cluster
from tradewind_tools.cluster.layout import Layout
from tradewind_tools.errors import ToolError

REST = {"ignore_unknown_options": True, "allow_interspersed_args": False}
"""Settings of commands that hand the rest of their arguments to another program."""


def run() -> int:
    """Run the command line; return the exit code."""
    try:
        main(standalone_mode=False)
    except ToolError as error:
        console.err.print(f"[red]✗[/red] {escape(str(error))}", soft_wrap=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        console.err.print("interrupted: start it again, it goes on from here")
        return 130
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Keep Python from failing at its last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


@click.group()
def main() -> None:
    """Developer tools of Tradewind. Start them through ./task."""


@main.group("cluster")
def cluster_group() -> None:
    """The cluster that we start ourselves."""


@cluster_group.command("up")
def cluster_up() -> None:
    """Start it; quick when it runs."""
    bringup.up(_layout())
    console.out.print(f"KUBECONFIG={_layout().kubeconfig}", soft_wrap=True)


@cluster_group.command("down")
@click.option("--purge", is_flag=True, help="Also remove the registry's and the builder's data.")
def cluster_down(*, purge: bool) -> None:
    """Stop it and leave the machine as it was."""
    teardown.down(_layout(), purge=purge)


@cluster_group.command("status")
def cluster_status() -> None:
    """Show its programs; exit code 1 unless all run."""
    sys.exit(local_cluster.show(_layout()))


@main.group("programs")
def programs_group() -> None:
    """Programs built from source."""


@programs_group.command("build")
@click.argument("names", nargs=-1, required=True)
def programs_build(names: tuple[str, ...]) -> None:
    """Build programs and print the paths of their binaries."""
    for name in names:
        for path in programs.ensure(name).values():
            click.echo(path)


@programs_group.command("run", context_settings=REST)
@click.argument("words", nargs=-1, required=True)
def programs_run(words: tuple[str, ...]) -> None:
    """Run VAR=PROGRAM/BINARY… COMMAND… with the paths of built binaries in variables."""
    variables = programs.assignments(words)
    _replace(list(words[len(variables) :]), variables)


@main.group("upstream")
def upstream_group() -> None:
    """Airflow's own Kubernetes executor, which ours is measured against."""


@upstream_group.command("run", context_settings=REST)
@click.argument("words", nargs=-1, required=True)
def upstream_run(words: tuple[str, ...]) -> None:
    """Run COMMAND… with the folder of upstream's tests in UPSTREAM_TESTS."""
    _replace(list(words), {"UPSTREAM_TESTS": str(upstream.ensure())})


@main.group("target")
def target_group() -> None:
    """The cluster that CLUSTER, CONTEXT, REGISTRY and NAMESPACE name."""


@target_group.command("run", context_settings=REST)
@click.argument("words", nargs=-1, required=True)
def target_run(words: tuple[str, ...]) -> None:
    """Run COMMAND… with KUBECONFIG, CONTEXT, REGISTRY and NAMESPACE of the named cluster."""
    _replace(list(words), _target().environment)


@main.group("images")
def images_group() -> None:
    """The images that this repository builds."""


@images_group.command("push")
def images_push() -> None:
    """Build what changed, push it, write the chart's image values."""
    console.out.print(images.table(_pushed()[1]))


@images_group.command("sbom")
def images_sbom() -> None:
    """Write each image's bill of materials; show sizes and layers."""
    chosen, pushed = _pushed()
    console.out.print(image_contents.table(chosen, image_contents.write_bills(chosen, pushed)))


@images_group.command("smoke")
def images_smoke() -> None:
    """Run each image's own smoke test; exit code 1 at the first claim that does not hold."""
    chosen, pushed = _pushed()
    for item in pushed:
        console.out.print(image_contents.smoke(chosen, item).rstrip(), markup=False)


def _pushed() -> tuple[target.Target, list[images.Pushed]]:
    chosen = _target()
    if chosen.is_local:
        bringup.up(_layout())
    return chosen, images.push(chosen)


@main.group("chart")
def chart_group() -> None:
    """The Helm chart."""


@chart_group.command("values")
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 when a file is stale.")
def chart_values_command(*, check: bool) -> None:
    """Write values.schema.json and docs/values.md from the comments of values.yaml."""
    if not check:
        chart_values.write()
    elif stale := chart_values.stale():
        raise ToolError(f"{', '.join(stale)} not made from values.yaml: run `./task chart:values`")


@main.group("release")
def release_group() -> None:
    """The installed release."""


@release_group.command("up")
@click.option("--dag", "dag_id", default=release.DEMO_DAG, help="DAG to run at the end.")
def release_up(dag_id: str) -> None:
    """Cluster, images, installation and a demo run."""
    chosen = _target()
    if chosen.is_local:
        bringup.up(_layout())
    release.up(chosen, dag_id=dag_id)


@release_group.command("down")
@click.option("--purge", is_flag=True, help="Also remove the local registry's and builder's data.")
def release_down(*, purge: bool) -> None:
    """Uninstall; stop the cluster when it is ours."""
    chosen = _target()
    if chosen.is_local:
        # The cluster goes with everything in it.
        teardown.down(_layout(), purge=purge)
    else:
        release.uninstall(chosen)


@release_group.command("status")
def release_status() -> None:
    """Show what runs; exit code 1 unless all is ready."""
    sys.exit(status.show(_target()))


@release_group.command("logs")
@click.argument("words", nargs=-1, required=True, metavar="COMPONENT | DAG RUN TASK")
@click.option("--map-index", type=int, help="Of a mapped task: only this one.")
@click.option("--try", "try_number", type=int, help="Instead of the last try.")
def release_logs(words: tuple[str, ...], *, map_index: int | None, try_number: int | None) -> None:
    """Show logs of a component, or of a task through Airflow's API."""
    status.logs(_running(), list(words), map_index=map_index, try_number=try_number)


@main.command("publish")
@click.option("--reversible", is_flag=True, help="The release before runs on this one's database.")
def publish_command(*, reversible: bool) -> None:
    """Build wheel, images and chart once, push them, pin them in the first environment."""
    pin = publish.release(os.environ, is_reversible=reversible)
    text = publish.told(pin, path=publish.pinned(paths.CHECKOUT))
    console.out.print(text, soft_wrap=True, markup=False)


@main.group("dags")
def dags_group() -> None:
    """DAGs of the installed release."""


@dags_group.command("run")
@click.argument("dag_id")
@click.option("--conf", default="{}", help="JSON object for the run.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--timeout", "timeout_s", default=900.0, help="Seconds to wait for the run's end.")
def dags_run(dag_id: str, *, conf: str, as_json: bool, timeout_s: float) -> None:
    """Trigger a DAG, wait, show where each task ran; exit code 1 when it failed."""
    options = runs.Options(conf=runs.parse_conf(conf), timeout_s=timeout_s)
    sys.exit(runs.command(_running(), dag_id=dag_id, options=options, as_json=as_json))


@main.command("tiers")
@click.argument("names", nargs=-1, required=True)
def tiers_command(names: tuple[str, ...]) -> None:
    """Run verbs in order, stop at the first that fails, sum up."""
    sys.exit(tiers.run(names))


def _layout() -> Layout:
    return Layout(paths.state_dir())


def _target() -> target.Target:
    return target.resolve(os.environ)


def _running() -> target.Target:
    chosen = _target()
    target.require_running(chosen)
    return chosen


def _replace(command: list[str], variables: dict[str, Any]) -> None:
    """Become another program, so that its exit code and signals are ours."""
    command = command[1:] if command[:1] == ["--"] else command
    if not command:
        raise ToolError("no command given: name one after the variables")
    replace: Callable[..., Any] = os.execvpe
    try:
        replace(command[0], command, os.environ | variables)
    except FileNotFoundError as error:
        raise ToolError(f"no program {command[0]!r}: start verbs through ./task") from error
