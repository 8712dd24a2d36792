import asyncio
import datetime as dt
import json
import os
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from tradewind.client import exec_plugin
from tradewind.client.errors import CredentialError
from tradewind.client.exec_plugin import PluginCredentials
from tradewind.client.kubeconfig import Entry
from tradewind.errors import ConfigError

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"


class Wall:
    """A wall clock that a test moves."""

    def __init__(self):
        self.now_s = 1_000_000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def wall():
    return Wall()


@pytest.fixture
def program(tmp_path):
    """Return a function that writes a plugin from Python source; every run leaves one line."""

    def write(source, name="plugin"):
        path = tmp_path / name
        body = textwrap.dedent(source)
        counted = f"open({str(tmp_path / 'runs')!r}, 'a').write('run\\n')"
        path.write_text(f"#!{sys.executable} -S\nimport json, os, sys, time\n{counted}\n{body}")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def runs(tmp_path):
    return lambda: len((tmp_path / "runs").read_text().splitlines())


def printing(version=V1, **status):
    answer = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    return f"print({json.dumps(answer)!r})"


def user(program, **spec):
    fields = {"command": str(program), "apiVersion": V1} | spec
    return Entry(kind="user", name="ci", file=Path("/kube/config"), values={"exec": fields})


def credentials(command, *, wall=None, cluster=None, **spec):
    plugin = exec_plugin.plugin_of(user(command, **spec), cluster=cluster or {})
    return PluginCredentials(plugin, **({"wall_s": wall} if wall else {}))


def rfc3339(seconds):
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("version", [V1, V1BETA1])
async def test_a_token_comes_from_the_program(program, version):
    path = program(printing(version, token="abc"))
    credential = await credentials(path, apiVersion=version).current()
    assert credential.token == "abc"
    assert credential.pair is None


async def test_a_client_certificate_comes_from_the_program(program):
    path = program(printing(clientCertificateData="CRT", clientKeyData="KEY"))
    credential = await credentials(path).current()
    assert (credential.pair.certificate, credential.pair.key) == (b"CRT", b"KEY")


async def test_the_program_gets_arguments_environment_and_question(program):
    path = program(
        """
        question = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
        said = [sys.argv[1:], os.environ["REGION"], "PATH" in os.environ, question["spec"]]
        said.append(sys.stdin.read())
        status = {"token": json.dumps(said)}
        print(json.dumps({"apiVersion": question["apiVersion"], "kind": question["kind"],
                          "status": status}))
        """
    )
    told = {"server": "https://c"}
    wanted = {"args": ["get", "--x"], "env": [{"name": "REGION", "value": "r"}]}
    plain = await credentials(path, cluster=told, **wanted).current()
    assert json.loads(plain.token) == [["get", "--x"], "r", True, {"interactive": False}, ""]
    informed = await credentials(path, cluster=told, provideClusterInfo=True, **wanted).current()
    assert json.loads(informed.token)[3] == {"interactive": False, "cluster": told}


def test_a_plugin_that_asks_is_told_of_the_cluster():
    fields = {
        "server": "https://c",
        "tls-server-name": "api",
        "certificate-authority": "ca.crt",
        "extensions": [
            {"name": "other", "extension": 1},
            {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a"}},
        ],
    }
    cluster = Entry(kind="cluster", name="c", file=Path("/kube/config"), values=fields)
    assert exec_plugin.cluster_info(cluster, authority=b"PEM") == {
        "server": "https://c",
        "tls-server-name": "api",
        "certificate-authority-data": "UEVN",
        "config": {"audience": "a"},
    }


async def test_an_answer_is_kept_until_shortly_before_it_expires(program, runs, wall):
    path = program(printing(token="t", expirationTimestamp=rfc3339(wall.now_s + 900)))
    plugin = credentials(path, wall=wall)
    await plugin.current()
    wall.now_s += 839
    await plugin.current()
    assert runs() == 1
    wall.now_s += 2
    await plugin.current()
    assert runs() == 2


async def test_a_short_lived_answer_serves_most_of_its_life(program, runs, wall):
    path = program(printing(token="t", expirationTimestamp=rfc3339(wall.now_s + 50)))
    plugin = credentials(path, wall=wall)
    await plugin.current()
    wall.now_s += 39
    await plugin.current()
    assert runs() == 1
    wall.now_s += 2
    await plugin.current()
    assert runs() == 2


async def test_an_answer_without_an_expiry_is_kept_until_it_is_refused(program, runs, wall):
    plugin = credentials(program(printing(token="t")), wall=wall)
    await plugin.current()
    wall.now_s += 10_000_000
    await plugin.current()
    assert runs() == 1
    plugin.forget()
    await plugin.current()
    assert runs() == 2


async def test_a_refused_answer_of_this_moment_is_not_asked_for_again(program, runs, wall):
    plugin = credentials(program(printing(token="t")), wall=wall)
    await plugin.current()
    plugin.forget()
    await plugin.current()
    assert runs() == 1


async def test_many_calls_at_once_share_one_run(program, runs):
    plugin = credentials(program("time.sleep(0.05)\n" + printing(token="t")))
    await asyncio.gather(*(plugin.current() for _ in range(20)))
    assert runs() == 1


def test_a_plugin_runs_beside_a_loop_that_is_not_the_main_threads(program):
    plugin = credentials(program(printing(token="t")))
    answers = []
    thread = threading.Thread(target=lambda: answers.append(asyncio.run(plugin.current())))
    thread.start()
    thread.join()
    assert answers[0].token == "t"


async def test_a_plugin_that_fails_leaves_the_credential_that_still_lives(program, runs, wall):
    path = program(printing(token="t", expirationTimestamp=rfc3339(wall.now_s + 900)))
    plugin = credentials(path, wall=wall)
    await plugin.current()
    program("sys.exit('no network')")
    wall.now_s += 850
    assert (await plugin.current()).token == "t"
    assert runs() == 2
    wall.now_s += 51
    with pytest.raises(CredentialError, match="no network"):
        await plugin.current()


async def test_a_failing_plugin_is_not_run_for_every_call(program, runs, wall):
    plugin = credentials(program("sys.exit('no network')"), wall=wall)
    for _ in range(3):
        with pytest.raises(CredentialError):
            await plugin.current()
    assert runs() == 1
    wall.now_s += 6
    program(printing(token="t"))
    assert (await plugin.current()).token == "t"


async def test_an_answer_that_has_expired_already_blames_the_clocks(program, wall):
    path = program(printing(token="t", expirationTimestamp=rfc3339(wall.now_s - 1)))
    with pytest.raises(CredentialError, match="expired already: compare the clocks"):
        await credentials(path, wall=wall).current()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        pytest.param("sys.exit('no\\n network')", "exit code 1: no network$", id="stderr"),
        pytest.param("sys.exit(3)", "exit code 3: it said nothing; run it by hand", id="silent"),
        pytest.param("sys.exit('x' * 5000)", "exit code 1: …x{300}$", id="long-stderr"),
        pytest.param("print('hi')", "printed no ExecCredential .*run it by hand", id="no-json"),
        pytest.param("print('[]')", "printed no ExecCredential", id="list"),
        pytest.param("print('null')", "printed no ExecCredential", id="null"),
        pytest.param("", "printed no ExecCredential", id="nothing"),
        pytest.param("print(chr(255))", "printed no ExecCredential", id="odd-bytes"),
        pytest.param(printing(), "neither a token nor a certificate", id="empty-status"),
        pytest.param(
            printing(clientCertificateData="x"), "neither a token nor a certificate", id="no-key"
        ),
        pytest.param(
            printing(V1BETA1, token="t"), f"ExecCredential of {V1BETA1}: set its", id="version"
        ),
        pytest.param(
            printing(token="t", expirationTimestamp="soon"), "printed no ExecCred", id="bad-time"
        ),
    ],
)
async def test_a_bad_plugin_is_one_sentence_that_names_it(program, source, sentence):
    with pytest.raises(CredentialError, match=sentence) as caught:
        await credentials(program(source)).current()
    assert "the exec plugin" in str(caught.value)
    assert "of user 'ci' in '/kube/config'" in str(caught.value)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("hint", "remedy"),
    [
        pytest.param("Get it at\n https://x", "Get it at https://x", id="hint"),
        pytest.param("", "install it where the scheduler runs", id="no-hint"),
    ],
)
async def test_a_missing_plugin_says_how_to_install_it(hint, remedy):
    with pytest.raises(CredentialError, match=f"cannot be run .*: {remedy}$"):
        await credentials("tradewind-no-such-plugin", installHint=hint).current()


async def test_a_plugin_that_hangs_is_ended_with_its_children(program, tmp_path, eventually):
    child = tmp_path / "child"
    path = program(
        f"""
        if not os.fork():
            open({str(child)!r}, "w").write(str(os.getpid()))
        time.sleep(600)
        """
    )
    plugin = exec_plugin.plugin_of(user(path), cluster={})
    object.__setattr__(plugin, "timeout_s", 0.5)
    with pytest.raises(CredentialError, match="did not answer within"):
        await PluginCredentials(plugin).current()
    await eventually(lambda: not _runs(int(child.read_text())))


def _runs(process):
    try:
        os.kill(process, 0)
        return "zombie" not in Path(f"/proc/{process}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        pytest.param({"command": ""}, "command of exec of user 'ci' .*is missing", id="command"),
        pytest.param(
            {"apiVersion": "client.authentication.k8s.io/v1alpha1"},
            "is 'client.authentication.k8s.io/v1alpha1': update the plugin",
            id="old-version",
        ),
        pytest.param({"interactiveMode": "Always"}, "has no terminal", id="asks-questions"),
        pytest.param({"args": [1]}, "args of .*no list of texts: quote", id="number-argument"),
        pytest.param({"args": "get"}, "args of .*no list of texts", id="text-for-arguments"),
        pytest.param({"env": {"A": "b"}}, "env of .*no list of `name`", id="mapping-for-env"),
        pytest.param({"env": [{"name": "A", "value": 1}]}, "no text: quote it", id="number-env"),
    ],
)
def test_a_malformed_description_is_named_with_its_remedy(spec, sentence):
    with pytest.raises(ConfigError, match=sentence):
        exec_plugin.plugin_of(user("plugin", **spec), cluster={})


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param("aws", "aws", id="bare-names-are-on-path"),
        pytest.param("./bin/aws", "/kube/bin/aws", id="relative-to-the-kubeconfig"),
        pytest.param("/opt/aws", "/opt/aws", id="absolute"),
    ],
)
def test_where_a_command_is_looked_for(command, expected):
    plugin = exec_plugin.plugin_of(user(command), cluster={})
    assert os.path.normpath(plugin.command) == expected
